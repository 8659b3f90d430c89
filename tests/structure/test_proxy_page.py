"""The page about proxies names every field that is dropped."""

from pathlib import Path

from bascule.protocols.headers import FORWARDING_NAMES

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "behind-a-proxy.md"


def test_every_field_that_is_dropped_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8").lower()
    missing = [name.decode() for name in FORWARDING_NAMES if f"`{name.decode()}`" not in page]
    assert missing == []
