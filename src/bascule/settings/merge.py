"""Which value wins: command line, environment, env-file, settings file, default, in this order.

Where to listen is one thing that can be said in four ways (bind, uds, fd, host and port), so there
the strongest source that says it replaces what weaker sources say in other ways: `--uds` on the
command line has the last word over `port` in a file. Two ways in one source contradict each other,
and that is a finding.
"""

from collections.abc import Sequence

from bascule.settings.findings import Given, Layer, Rank, Source, finding
from bascule.settings.options import OPTIONS

WAYS_TO_LISTEN = (("bind",), ("uds",), ("fd",), ("host", "port"))
ALL_INTERFACES = "0.0.0.0"


def parse_layer(layer: Layer, findings: list[str], broken: set[str]) -> Layer:
    """Return the layer parsed; what cannot be becomes a finding and a `broken` name."""
    parsed: Layer = {}
    for name, given in layer.items():
        option = OPTIONS[name]
        try:
            parsed[name] = Given(option.kind.parse(given.value), given.source)
        except ValueError as error:
            broken.add(name)
            shown = "******** " if option.secret else f"{given.value!r} "
            if option.repeats and isinstance(given.value, tuple):
                # The complaint says which of them it is about.
                shown = ""
            findings.append(finding(given.source, f"{shown}{error}"))
    return parsed


def merge(layers: Sequence[Layer], findings: list[str]) -> Layer:
    """Return the winners of parsed layers, which come from the weakest to the strongest."""
    merged: Layer = {}
    for layer in layers:
        merged.update(layer)
    keep_one_way_to_listen(merged, findings)
    open_to_the_platform(merged)
    return merged


def keep_one_way_to_listen(merged: Layer, findings: list[str]) -> None:
    """Remove the ways to listen that a stronger source has replaced."""
    said = {way: source for way in WAYS_TO_LISTEN if (source := _strongest(merged, way))}
    if len(said) < 2:
        return
    top = max(source.strength for source in said.values())
    first, *others = (way for way, source in said.items() if source.strength == top)
    for way in others:
        text = f"and {said[first].key} both say where to listen; keep one of them"
        findings.append(finding(said[way], text))
    for way in said.keys() - {first}:
        for name in way:
            merged.pop(name, None)


def _strongest(merged: Layer, way: tuple[str, ...]) -> Source | None:
    """The strongest source that says something this way; a preset is only another default."""
    sources = [merged[name].source for name in way if name in merged]
    said = [source for source in sources if source.rank > Rank.PRESET]
    return max(said, key=lambda source: source.strength, default=None)


def open_to_the_platform(merged: Layer) -> None:
    """Listen on all interfaces when PORT alone says where.

    PORT is how hosting platforms say where they will connect, and they connect from outside the
    container: with 127.0.0.1 the application would be unreachable. Gunicorn does the same. Any
    host that was said is kept.
    """
    port = merged.get("port")
    if port is not None and port.source.alias and "host" not in merged:
        merged["host"] = Given(ALL_INTERFACES, port.source)
