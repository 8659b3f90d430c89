"""The picture of the main scenarios: an SVG of bars, written by hand so that nothing has to be
installed.

It paints its own background and follows the reader's light or dark setting, so it can be read
on any page.
"""

from xml.sax.saxutils import escape

from harness.report import is_ceiling, ordered
from harness.results import rate
from harness.scenarios import SCENARIOS
from peers.servers import SERVERS

CHARTED = (
    "asgi-hello",
    "wsgi-hello",
    "asgi-tls",
    "asgi-echo",
    "django-sync-wsgi",
    "django-orm-wsgi",
    "ws-echo-64",
)
# Of two thread counts of the same server, the chart shows the faster.
VARIANTS = (
    ("bascule-wsgi", "bascule-wsgi-1"),
    ("granian-wsgi", "granian-wsgi-1"),
    ("peregrine-wsgi", "peregrine-wsgi-1"),
)
LOOPS = {
    "django-wsgi-loop": "Django alone, in a loop",
    "django-asgi-loop": "Django alone, in a loop",
}

WIDTH = 880
MARGIN = 28
GAP = 36
COLUMN = (WIDTH - 2 * MARGIN - GAP) // 2
LABEL = 152  # room for the longest name
VALUE = 62  # room for "123,456" behind the longest bar
BAR = 16
STEP = 23
TITLE = 29
TOP = 78
BETWEEN = 22

STYLE = """
  text { font: 12.5px system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif }
  .page { fill: #ffffff; stroke: #d8dce2 }
  .head { font-size: 17px; font-weight: 650; fill: #1b1f24 }
  .sub { fill: #5c6570 }
  .title { font-size: 13.5px; font-weight: 650; fill: #1b1f24 }
  .name, .value { fill: #4a525c }
  .value { font-variant-numeric: tabular-nums }
  .ours { font-weight: 650; fill: #1b1f24 }
  .bar { fill: #c6ccd4 }
  .bar.ours { fill: #c2541b }
  .bar.loop { fill: none; stroke: #9aa3ae; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #14171b; stroke: #2d333b }
    .head, .title, .ours { fill: #f0f3f6 }
    .sub { fill: #98a2ae }
    .name, .value { fill: #b6bfc9 }
    .value.ours, .name.ours { fill: #f0f3f6 }
    .bar { fill: #4c555f }
    .bar.ours { fill: #f0813f }
    .bar.loop { stroke: #7d8792 }
  }
"""


def svg(results: dict) -> str:
    """The chart of every charted scenario that was measured, two panels side by side."""
    panels = [(name, shown(results, name)) for name in CHARTED]
    panels = [(name, servers) for name, servers in panels if servers]
    parts, y = [], TOP
    for left in range(0, len(panels), 2):
        pair = panels[left : left + 2]
        for place, (name, servers) in enumerate(pair):
            x = MARGIN + place * (COLUMN + GAP)
            parts.append(panel(results, name, servers, x, y))
        y += TITLE + STEP * max(len(servers) for _, servers in pair) + BETWEEN
    return document(results, "\n".join(parts), y + 6)


def shown(results: dict, name: str) -> list[str]:
    """The servers of a panel, fastest first, without the failed and the slower variants."""
    if name not in results["scenarios"]:
        return []
    servers = [server for server in ordered(results, name) if rate(results, name, server)]
    for pair in VARIANTS:
        present = [server for server in servers if server in pair]
        for slower in present[1:]:
            servers.remove(slower)
    return servers


def panel(results: dict, name: str, servers: list[str], x: int, y: int) -> str:
    """A title and one bar per server; the bars of a panel share a scale that starts at zero."""
    rates = {server: rate(results, name, server).middle for server in servers}
    most = max(rates.values())
    scenario = SCENARIOS[name]
    unit = f", {scenario.unit}" if scenario.websocket else ""  # the chart's head says requests
    title = escape(scenario.title + unit)
    lines = [f'<text class="title" x="{x}" y="{y + 14}">{title}</text>']
    for place, server in enumerate(servers):
        length = (COLUMN - LABEL - VALUE) * rates[server] / most
        lines.append(bar(server, rates[server], x, y + TITLE + place * STEP, length))
    return "\n".join(lines)


def bar(server: str, value: float, x: int, y: int, length: float) -> str:
    kind = " ours" if server in SERVERS and SERVERS[server].is_ours else ""
    shape = " loop" if is_ceiling(server) else kind
    name = escape(LOOPS.get(server) or SERVERS[server].label)
    start = x + LABEL
    return (
        f'<text class="name{kind}" x="{x}" y="{y + 12}">{name}</text>'
        f'<rect class="bar{shape}" x="{start}" y="{y}" width="{max(length, 1.5):.1f}" '
        f'height="{BAR}" rx="2"/>'
        f'<text class="value{kind}" x="{start + length + 7:.1f}" y="{y + 12}">{value:,.0f}</text>'
    )


def document(results: dict, panels: str, height: int) -> str:
    machine = results["machine"]
    sub = escape(
        f"One process on one pinned core, {machine['cpu']}, Python {machine['python']}, "
        f"median of {results['options']['rounds']} interleaved rounds"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-labelledby="t d">\n'
        f'<title id="t">Requests per second of Bascule and other Python servers</title>\n'
        f'<desc id="d">{escape(summary(results))}</desc>\n'
        f"<style>{STYLE}</style>\n"
        f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="10"/>\n'
        f'<text class="head" x="{MARGIN}" y="36">Requests per second</text>\n'
        f'<text class="sub" x="{MARGIN}" y="56">{sub}</text>\n{panels}\n</svg>\n'
    )


def summary(results: dict) -> str:
    """The contents of the picture as text, for people who cannot see it."""
    sentences = []
    for name in CHARTED:
        servers = shown(results, name)
        said = [
            f"{LOOPS.get(one) or SERVERS[one].label} {rate(results, name, one).middle:,.0f}"
            for one in servers
        ]
        if said:
            sentences.append(f"{SCENARIOS[name].title}: {', '.join(said)}.")
    return " ".join(sentences)
