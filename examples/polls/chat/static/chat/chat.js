// The room: shows what its WebSocket tells, sends what is typed, and connects again when it breaks.
"use strict";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;
const LONGEST_HANDSHAKE = 10_000;
const LINES_KEPT = 300;

const room = document.querySelector("[data-socket]");
const log = room.querySelector("[role=log]");
const form = room.querySelector("form");
const state = room.querySelector("[data-status]");
const people = room.querySelector("[data-people]");

const address = new URL(room.dataset.socket, location.href);
address.protocol = location.protocol === "https:" ? "wss:" : "ws:";

let socket;
let timer;
let wait = FIRST_WAIT;

// Everything from outside goes through textContent, and so is a text and never markup.
function piece(tag, name, text) {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text;
  return element;
}

function add(line) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(line);
  if (log.children.length > LINES_KEPT) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function notice(text) {
  add(piece("li", "notice", text));
}

const SHOW = {
  joined: ({ mine, name }) => notice(mine ? `You are in the room as ${name}.` : `${name} joined.`),
  left: ({ name }) => notice(`${name} left.`),
  refused: ({ text }) => notice(text),
  people: () => {},
  said: ({ mine, guest, name, text }) => {
    const line = piece("li", mine ? "said mine" : "said", "");
    const words = piece("span", "words", text);
    words.dir = "auto";
    line.append(piece("span", guest ? "name guest" : "name", name), words);
    add(line);
  },
};

function receive(message) {
  const event = JSON.parse(message.data);
  SHOW[event.event](event);
  if ("people" in event) {
    people.textContent = `· ${event.people} ${event.people === 1 ? "person" : "people"} in the room`;
  }
}

function tell(name, text) {
  room.dataset.state = name;
  state.textContent = text;
  form.querySelector("button").disabled = name !== "connected";
}

// There is one thing to wait for at a time.
function later(action, milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(action, milliseconds);
}

function connect() {
  tell("connecting", "Connecting…");
  socket = new WebSocket(address);
  // Browsers wait for ever for an answer, as from a server that is up but stuck.
  later(() => socket.close(), LONGEST_HANDSHAKE);
  socket.addEventListener("open", () => {
    clearTimeout(timer);
    wait = FIRST_WAIT;
    tell("connected", "Connected");
  });
  socket.addEventListener("message", receive);
  socket.addEventListener("close", connectLater);
}

function connectLater() {
  // The waits grow, and differ from window to window, so that a server that has just come back is
  // not met by all of them at once.
  const now = wait * (0.75 + Math.random() / 2);
  wait = Math.min(wait * 2, LONGEST_WAIT);
  people.textContent = "";
  tell("waiting", `Connection lost, trying again in ${Math.ceil(now / 1000)} s`);
  later(connect, now);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = form.elements.text.value.trim();
  if (!text || socket.readyState !== WebSocket.OPEN) return;
  socket.send(text);
  form.reset();
});

// The network is back: no reason to wait any longer.
addEventListener("online", () => {
  if (room.dataset.state === "waiting") connect();
});

connect();
