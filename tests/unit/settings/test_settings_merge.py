"""Which source wins, and how the four ways to listen replace or contradict each other."""

import pytest

from bascule.settings.findings import Given, Layer, Rank, Source
from bascule.settings.merge import merge, parse_layer

FILE = Source(Rank.FILE, "file")
ENV_FILE = Source(Rank.ENV_FILE, "env-file")
ENVIRONMENT = Source(Rank.ENVIRONMENT, "environment", "VARIABLE")
PLATFORM = Source(Rank.ENVIRONMENT, "environment", "PORT", alias=True)
SAID = Source(Rank.SAID, "command line", "--flag")
PRESET = Source(Rank.PRESET, "preset")


def layer(source: Source, **values: object) -> Layer:
    return {name: Given(value, source) for name, value in values.items()}


def merged(*layers: Layer) -> dict[str, object]:
    findings: list[str] = []
    result = merge(layers, findings)
    assert findings == []
    return {name: given.value for name, given in result.items()}


def test_the_last_layer_wins() -> None:
    result = merge([layer(FILE, threads=1, backlog=5), layer(SAID, threads=2)], [])
    assert result["threads"] == Given(2, SAID)
    assert result["backlog"] == Given(5, FILE)


@pytest.mark.parametrize(
    ("weak", "strong"),
    [
        ({"port": 1}, {"uds": "a"}),
        ({"bind": ("x",)}, {"port": 1}),
        ({"fd": 3}, {"bind": ("x",)}),
        ({"uds": "a", "threads": 1}, {"fd": 3}),
    ],
)
def test_a_stronger_way_to_listen_replaces_the_others(
    weak: dict[str, object], strong: dict[str, object]
) -> None:
    kept = {name: value for name, value in weak.items() if name == "threads"}
    assert merged(layer(FILE, **weak), layer(SAID, **strong)) == kept | strong


def test_host_and_port_are_one_way() -> None:
    both = {"host": "h", "port": 1}
    assert merged(layer(FILE, host="h"), layer(SAID, port=1)) == both
    assert merged(layer(FILE, uds="u"), layer(ENVIRONMENT, host="h"), layer(SAID, port=1)) == both


def test_a_weaker_half_goes_with_its_way() -> None:
    layers = layer(FILE, host="h"), layer(ENVIRONMENT, port=1), layer(SAID, fd=3)
    assert merged(*layers) == {"fd": 3}


def test_two_ways_in_one_source_are_a_finding() -> None:
    findings: list[str] = []
    uds = Given("u", Source(Rank.SAID, "command line", "--uds"))
    port = Given(1, Source(Rank.SAID, "command line", "--port"))
    bind = Given(("x",), Source(Rank.SAID, "command line", "--bind"))
    result = merge([{"uds": uds, "port": port, "bind": bind}], findings)
    assert set(result) == {"bind"}
    assert findings == [
        "command line: --uds and --bind both say where to listen; keep one of them",
        "command line: --port and --bind both say where to listen; keep one of them",
    ]


def test_what_a_platform_sets_yields_to_what_the_same_source_says() -> None:
    assert merged(layer(PLATFORM, port=80) | layer(ENVIRONMENT, uds="u")) == {"uds": "u"}


def test_what_a_platform_sets_replaces_a_file() -> None:
    assert merged(layer(FILE, bind=("x",)), layer(PLATFORM, port=80)) == {
        "host": "0.0.0.0",
        "port": 80,
    }


def test_the_platforms_port_opens_all_interfaces() -> None:
    result = merge([layer(PLATFORM, port=80)], [])
    assert result["host"] == Given("0.0.0.0", PLATFORM)


@pytest.mark.parametrize("source", [PRESET, FILE, ENVIRONMENT, SAID])
def test_a_host_that_was_said_is_kept(source: Source) -> None:
    layers = layer(source, host="127.0.0.1"), layer(PLATFORM, port=80)
    assert merged(*layers) == {"host": "127.0.0.1", "port": 80}


def test_a_port_that_was_said_opens_nothing() -> None:
    assert merged(layer(SAID, port=80)) == {"port": 80}
    assert merged(layer(PLATFORM, port=80), layer(SAID, port=81)) == {"port": 81}


def test_a_preset_does_not_say_where_to_listen() -> None:
    preset = layer(PRESET, host="127.0.0.1")
    assert merged(preset, layer(FILE, uds="u"))["uds"] == "u"
    assert merged(preset) == {"host": "127.0.0.1"}


def test_values_that_cannot_be_parsed_are_left_out() -> None:
    findings: list[str] = []
    broken: set[str] = set()
    source = Source(Rank.FILE, "bascule.toml line 7", "threads")
    given = {"threads": Given("many", source), **layer(FILE, port="80")}
    assert parse_layer(given, findings, broken) == layer(FILE, port=80)
    assert broken == {"threads"}
    assert findings == [
        "bascule.toml line 7: threads 'many' is not a whole number; give 0 or more"
    ]


def test_a_secret_is_not_shown_in_a_finding() -> None:
    findings: list[str] = []
    source = Source(Rank.FILE, "bascule.toml line 7", "ssl_keyfile_password")
    parse_layer({"ssl_keyfile_password": Given(12345, source)}, findings, set())
    assert findings == [
        "bascule.toml line 7: ssl_keyfile_password ******** is not text; put it in quotes"
    ]
