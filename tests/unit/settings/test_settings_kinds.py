"""How each kind of value is read: what is taken, and the sentence for what is not."""

import pathlib
from typing import Any, Literal

import pytest

from bascule.settings.kinds import (
    Account,
    Choice,
    Flag,
    Kind,
    Listing,
    Mask,
    Maybe,
    Path,
    Seconds,
    Text,
    Whole,
    Words,
)

Colour = Literal["red", "green"]


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        (Text(), "as it is ", "as it is "),
        (Text(), "", ""),
        (Path(), "a/b", "a/b"),
        (Path(), pathlib.PurePosixPath("a/b"), "a/b"),
        (Whole(), "8", 8),
        (Whole(), 8, 8),
        (Whole(), "0", 0),
        (Whole(-5), "-5", -5),
        (Whole(1, 3), "3", 3),
        (Seconds(), "2.5", 2.5),
        (Seconds(), 3, 3.0),
        (Seconds(), "1e2", 100.0),
        (Flag(), True, True),
        (Flag(), 0, False),
        (Choice[Colour](Colour), " RED", "red"),
        (Choice[Colour](Colour, synonyms={"2": "green"}), 2, "green"),
        (Maybe(Whole()), None, None),
        (Maybe(Whole()), "none", None),
        (Maybe(Whole()), "7", 7),
        (Maybe(Text(), nothing=""), "", None),
        (Maybe(Text(), nothing=""), "none", "none"),
        (Listing(Whole(), ","), "1, 2,,3,", (1, 2, 3)),
        (Listing(Whole(), ","), "", ()),
        (Listing(Whole(), ","), [1, "2"], (1, 2)),
        (Listing(Text(), "\n"), ("a,b", "c"), ("a,b", "c")),
        (Words(Whole(), ","), ("1,2", "3", 4), (1, 2, 3, 4)),
        (Words(Whole(), ","), ("",), ()),
        (Words(Whole(), ","), "1, 2", (1, 2)),
    ],
)
def test_value_is_read(kind: Kind[Any], given: object, value: object) -> None:
    parsed = kind.parse(given)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize("word", ["1", "true", "Yes", "ON", " on "])
def test_words_for_on(word: str) -> None:
    assert Flag().parse(word) is True


@pytest.mark.parametrize("word", ["0", "false", "No", "OFF"])
def test_words_for_off(word: str) -> None:
    assert Flag().parse(word) is False


@pytest.mark.parametrize(
    ("kind", "given", "sentence"),
    [
        (Text(), 3, "is not text; put it in quotes"),
        (Path(), "", "is empty; give a path"),
        (Path(), "a\0b", "has a NUL character, which no path can have"),
        (Path(), 3, "is not text; put it in quotes"),
        (Whole(), "many", "is not a whole number; give 0 or more"),
        (Whole(), "9" * 5000, "is not a whole number; give 0 or more"),
        (Whole(), "1.5", "is not a whole number; give 0 or more"),
        (Whole(), 1.5, "is not a whole number; give 0 or more"),
        (Whole(), True, "is not a whole number; give 0 or more"),
        (Whole(1), "0", "is out of range; give 1 or more"),
        (Whole(0, 65535), 65536, "is out of range; give 0 to 65535"),
        (Seconds(), "soon", "is not a number of seconds; give 0 or more"),
        (Seconds(), True, "is not a number of seconds; give 0 or more"),
        (Seconds(), [1], "is not a number of seconds; give 0 or more"),
        (Seconds(), "-1", "is out of range; give 0 seconds or more"),
        (Seconds(), "nan", "is out of range; give 0 seconds or more"),
        (Seconds(), "inf", "is out of range; give 0 seconds or more"),
        (Seconds(), 10**400, "is out of range; give 0 seconds or more"),
        (Seconds(0.5), 0, "is out of range; give 0.5 seconds or more"),
        (
            Flag(),
            "maybe",
            "is neither on nor off; give true or false, yes or no, on or off, 1 or 0",
        ),
        (Choice[Colour](Colour), "blue", "is not one of the choices; give red or green"),
        (Maybe(Whole(1)), "0", "is out of range; give 1 or more, or none"),
        (Maybe(Path()), "a\0", "has a NUL character, which no path can have"),
        (Maybe(Text(), nothing=""), 3, "is not text; put it in quotes"),
        (Listing(Whole(), ","), "1,x", "has 'x', which is not a whole number; give 0 or more"),
        (Listing(Whole(), ","), 3, "is not a list"),
        (Words(Whole(), ","), ("1,x",), "has 'x', which is not a whole number; give 0 or more"),
    ],
)
def test_value_is_refused(kind: Kind[Any], given: object, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the whole message is compared
        kind.parse(given)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("kind", "value", "shown", "plain"),
    [
        (Text(), "a", "a", "a"),
        (Whole(), 10000, "10000", 10000),
        (Seconds(), 75.0, "75", 75.0),
        (Seconds(), 0.25, "0.25", 0.25),
        (Flag(), True, "on", True),
        (Flag(), False, "off", False),
        (Maybe(Whole()), None, "none", None),
        (Maybe(Whole()), 3, "3", 3),
        (Listing(Whole(), ","), (1, 2), "1, 2", [1, 2]),
        (Listing(Whole(), ","), (), "", []),
    ],
)
def test_value_is_shown(kind: Kind[Any], value: object, shown: str, plain: object) -> None:
    assert kind.show(value) == shown
    assert kind.plain(value) == plain


@pytest.mark.parametrize(
    ("kind", "metavar"),
    [
        (Text("PASSWORD"), "PASSWORD"),
        (Whole(metavar="PORT"), "PORT"),
        (Choice[Colour](Colour), "red|green"),
        (Maybe(Path("FILE")), "FILE"),
        (Listing(Path("DIRECTORY"), ","), "DIRECTORY"),
    ],
)
def test_metavar(kind: Kind[Any], metavar: str) -> None:
    assert kind.metavar == metavar


@pytest.mark.parametrize(
    ("value", "mask"), [("0027", 0o027), ("22", 0o022), ("0o77", 0o77), (0o027, 0o027), ("0", 0)]
)
def test_mask_is_octal(value: object, mask: int) -> None:
    assert Mask().parse(value) == mask
    assert Mask().parse(Mask().plain(mask)) == mask


@pytest.mark.parametrize("value", ["8", "-1", "1000", "", "rwx", 0o1000, -1, True, 2.0, None])
def test_what_is_no_mask(value: object) -> None:
    with pytest.raises(ValueError, match="is not a mask"):
        Mask().parse(value)


def test_account_is_a_name_or_a_number() -> None:
    assert [Account().parse(value) for value in ("www-data", "33", 33)] == ["www-data", "33", "33"]


@pytest.mark.parametrize("value", ["", True, 1.5, None])
def test_what_is_no_account(value: object) -> None:
    with pytest.raises(ValueError, match=r"is empty|is not text"):
        Account().parse(value)
