"""Turns results into Markdown: the same tables for the terminal and for bench/RESULTS.md."""

from harness.results import Spread, client_busy, core_speed, memory_per_connection, rate, ratio
from harness.scenarios import SCENARIOS, WEIGHINGS, Scenario
from harness.targets import TARGETS
from peers.servers import SERVERS

NOTHING = "-"
MOMENTS = ("before", "most", "after")
LOOP_LABELS = {
    "django-wsgi-loop": "*Django's WSGI handler in a loop*",
    "django-asgi-loop": "*Django's ASGI handler in a loop*",
}


def markdown(results: dict) -> str:
    """The whole report."""
    parts = [heading(results), targets(results)]
    parts += [scenario(results, name) for name in SCENARIOS if name in results["scenarios"]]
    parts += weighings(results)
    parts.append(versions(results))
    return "\n\n".join(parts) + "\n"


def heading(results: dict) -> str:
    machine, options = results["machine"], results["options"]
    return "\n\n".join(
        [
            "# Results",
            f"{results['date']}, {machine['cpu']}, {machine['cores']} cores, Linux "
            f"{machine['kernel']}, Python {machine['python']}. {results['bascule']}.",
            f"{rounds(options)}, servers interleaved, each in one process on core "
            f"{options['server_core']}, the client on core {options['client_core']}. Rates are "
            "medians over the rounds. Ratios are taken round by round; the tables show the median "
            "of these, with the smallest and the largest.",
            *steadiness(core_speed(results)),
        ]
    )


def rounds(options: dict) -> str:
    most, fewest = options["rounds"], options["minor_rounds"]
    minor = f" ({fewest} in the minor scenarios)" if fewest != most else ""
    return f"Rounds: {most} of {options['seconds']} s{minor}"


def steadiness(speed: Spread | None) -> list[str]:
    """How far the machine can be trusted, as a paragraph or none."""
    if speed is None:
        return []
    return [
        "A fixed loop on the server core, run before every measurement, went between "
        f"{speed.least:.0%} and {speed.most:.0%} of its median speed."
    ]


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def targets(results: dict) -> str:
    rows = []
    for target in TARGETS:
        got = target.measured(results)
        rows.append([target.name, target.bound(), ratio_text(got), target.verdict(results)])
    return "## Wanted and measured\n\n" + table(["Bascule", "wanted", "measured", ""], rows)


def scenario(results: dict, name: str) -> str:
    """One table, fastest first; a column of ratios for each configuration of ours."""
    rows, definition = results["scenarios"][name], SCENARIOS[name]
    ours = [server for server in rows if server in SERVERS and SERVERS[server].is_ours]
    head = ["", definition.unit, "lowest", "highest", "p50 ms", "p99 ms"]
    head += [f"{SERVERS[server].label} ÷ this" for server in ours]
    head += [f"PSS {moment}" for moment in MOMENTS if definition.transfer]
    lines = [line(results, name, server, ours) for server in ordered(results, name)]
    told = f"`{name}`, {load(definition)}.{remarks(results, definition)}"
    return f"## {definition.title}\n\n{told}\n\n{table(head, lines)}{failures(rows)}"


def remarks(results: dict, definition: Scenario) -> str:
    """A note below a table about WebSockets or HTTP/2."""
    if definition.transfer:
        return (
            " PSS in MiB: before the first transfer, the most during any of them, and after the "
            "last one."
        )
    if definition.streams:
        return " h2load reports no percentiles of latencies."
    if not definition.websocket:
        return ""
    told = " Each has one message in flight."
    if definition.websocket == "broadcast":
        told = " Latencies are from the sending of a message to its last delivery."
    servers = results["scenarios"][definition.name]
    busy = client_busy(results, definition.name, [one for one in servers if not is_ceiling(one)])
    return told if busy is None else f"{told} The client was busy {busy:.0%} of the time at most."


def load(definition: Scenario) -> str:
    told = connections(definition.connections)
    if definition.is_closing:
        return f"{told} at a time"
    if definition.streams > 1:
        return f"HTTP/2, {told} with {definition.streams} concurrent requests each"
    return told


def connections(count: int) -> str:
    return "1 connection" if count == 1 else f"{count:,} connections"


def ordered(results: dict, name: str) -> list[str]:
    """Servers by falling rate, failed ones last."""
    rates = {server: rate(results, name, server) for server in results["scenarios"][name]}
    return sorted(rates, key=lambda server: -(rates[server].middle if rates[server] else 0))


def line(results: dict, name: str, server: str, ours: list[str]) -> list[str]:
    found = rate(results, name, server)
    if found is None:
        missing = 4 + len(ours) + len(MOMENTS) * bool(SCENARIOS[name].transfer)
        return [label(server), "failed", *[NOTHING] * missing]
    row = results["scenarios"][name][server]
    cells = [label(server), f"{found.middle:,.0f}", f"{found.least:,.0f}", f"{found.most:,.0f}"]
    cells += [milliseconds(row["p50_ms"]), milliseconds(row["p99_ms"])]
    cells += [
        "" if server == mine else ratio_text(ratio(results, name, mine, server)) for mine in ours
    ]
    return cells + (transfer_memory(row["memory"]) if SCENARIOS[name].transfer else [])


def transfer_memory(rounds: list[dict]) -> list[str]:
    before, after = rounds[0]["before"]["pss"], rounds[-1]["after"]["pss"]
    most = max(each["most"]["pss"] for each in rounds)
    return [f"{size:.1f}" for size in (before, most, after)]


def label(server: str) -> str:
    if server in LOOP_LABELS:
        return LOOP_LABELS[server]
    known = SERVERS[server]
    mark = "**" if known.is_ours else "*" * known.is_ceiling
    return f"{mark}{known.label}{mark}"


def is_ceiling(server: str) -> bool:
    return server in LOOP_LABELS or SERVERS[server].is_ceiling


def failures(rows: dict) -> str:
    """Below the table: who failed, and why."""
    lines = [
        f"- {label(server)} failed: {row['failures'][0]}"
        for server, row in rows.items()
        if row["failures"]
    ]
    return "\n\n" + "\n".join(lines) if lines else ""


def ratio_text(spread: Spread | None) -> str:
    if spread is None:
        return NOTHING
    if spread.least == spread.most:
        return f"{spread.middle:.2f}"
    return f"{spread.middle:.2f} ({spread.least:.2f} to {spread.most:.2f})"


def milliseconds(values: list[float | None]) -> str:
    found = Spread.of(values)
    return f"{found.middle:.2f}" if found else NOTHING


def weighings(results: dict) -> list[str]:
    """Start-up time and memory, one table per app, and the memory of connections."""
    weighed = [one for one in WEIGHINGS if results["weighings"].get(one.name)]
    apps = [weighing(results, one) for one in weighed if not one.websocket]
    parts = [connection_weighing(results, one) for one in weighed if one.websocket]
    if apps:
        told = (
            "Start: from the start of the process to its first right answer. Memory in MiB, "
            "summed over the server's processes, after one request and after the load. PSS splits "
            "a shared page among its users, USS leaves shared pages out."
        )
        parts += ["## Start-up and memory", told, *apps]
    return parts


def weighing(results: dict, definition: Scenario) -> str:
    rows = results["weighings"][definition.name]
    lines = [weighing_line(server, row) for server, row in rows.items()]
    head = ["", "start, ms", "processes", "RSS", "PSS", "USS"]
    head += ["RSS loaded", "PSS loaded", "USS loaded"]
    return f"### {definition.title}\n\n{table(head, lines)}{failures(rows)}"


def weighing_line(server: str, row: dict) -> list[str]:
    if row["failures"] or "loaded" not in row:
        return [label(server), "failed", *[NOTHING] * 7]
    start = Spread.of(row["start_seconds"])
    cells = [label(server), f"{start.middle * 1000:.0f}", str(row["idle"]["processes"])]
    for moment in ("idle", "loaded"):
        cells += [f"{row[moment][kind]:.1f}" for kind in ("rss", "pss", "uss")]
    return cells


def connection_weighing(results: dict, definition: Scenario) -> str:
    rows = results["weighings"][definition.name]
    lines = [connection_line(server, row, definition) for server, row in rows.items()]
    head = ["", "RSS, KiB", "PSS, KiB", "USS, KiB", "PSS without, MiB", "PSS with, MiB"]
    told = (
        f"`{definition.name}`: the growth of the server's memory for each of "
        f"{connections(definition.connections)} that have echoed one message and now wait for the "
        "next."
    )
    return f"## {definition.title}\n\n{told}\n\n{table(head, lines)}{failures(rows)}"


def connection_line(server: str, row: dict, definition: Scenario) -> list[str]:
    growth = [
        memory_per_connection(row, definition.connections, kind) for kind in ("rss", "pss", "uss")
    ]
    if None in growth:
        return [label(server), "failed", *[NOTHING] * 4]
    cells = [label(server), *[f"{each:.1f}" for each in growth]]
    return cells + [f"{row[when]['pss']:.1f}" for when in ("without", "with")]


def versions(results: dict) -> str:
    rows = [[name, version] for name, version in sorted(results["versions"].items())]
    return "## Versions\n\n" + table(["", "version"], rows)
