// Keeps the results page current from the server-sent events of data-live.
"use strict";

const results = document.querySelector("[data-live]");
const total = document.querySelector("[data-total]");

function show(standing) {
  total.textContent = standing.votes;
  for (const choice of standing.choices) {
    const row = results.querySelector(`[data-choice="${choice.id}"]`);
    if (!row) continue;
    row.querySelector("progress").value = choice.percent;
    row.querySelector(".count").textContent = choice.votes;
  }
}

const source = new EventSource(results.dataset.live);
source.addEventListener("results", (event) => show(JSON.parse(event.data)));
