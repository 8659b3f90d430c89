"""How values of other servers become values of Bascule. The tables are made of these functions."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from bascule.migration.shapes import Convert, Outcome, Setting, Settings
from bascule.settings import OPTIONS

Takes = Literal["value", "pair", "nothing", "optional"]

NOTHING_TO_DO = "Nothing to convert: Bascule does the same without a setting."
TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", "none", ""})


def converted(
    name: str,
    to: str,
    *flags: str,
    by: Convert | None = None,
    note: str = "",
    takes: Takes = "value",
    alone: object = True,
    repeats: bool = False,
) -> Setting:
    """Return a setting with a counterpart. Without `by`, the value stays as it is."""
    if to not in OPTIONS:
        raise LookupError(f"{to} is not a setting")
    return Setting(name, flags, by or unchanged(to), to, note, takes, alone, repeats)


def answered(
    name: str,
    note: str,
    *flags: str,
    takes: Takes = "value",
    alone: object = True,
    repeats: bool = False,
    harmless: Iterable[object] = (None, False, "", (), []),
) -> Setting:
    """Return a setting without a counterpart.

    harmless: values that ask for what Bascule does anyway.
    """
    accepted = list(harmless)

    def convert(value: object, others: Settings) -> Outcome:
        return Outcome(remark=NOTHING_TO_DO if is_one_of(value, accepted) else note)

    return Setting(name, flags, convert, "", note, takes, alone, repeats)


def is_one_of(value: object, accepted: Iterable[object]) -> bool:
    """Whether a value is among others; True is not 1 here, and text may be written in any case."""
    said = value.lower() if isinstance(value, str) else value
    return any(said == one and isinstance(said, bool) == isinstance(one, bool) for one in accepted)


def unchanged(to: str) -> Convert:
    def convert(value: object, others: Settings) -> Outcome:
        return Outcome(remark=NOTHING_TO_DO) if value is None else Outcome({to: value})

    return convert


def flag(to: str) -> Convert:
    """A setting that is on or off in both servers."""
    return lambda value, others: Outcome({to: truth(value)})


def zero_is_none(to: str) -> Convert:
    """A number, for which 0 means no limit."""

    def convert(value: object, others: Settings) -> Outcome:
        if value is None:
            return Outcome(remark=NOTHING_TO_DO)
        return Outcome({to: "none" if number(value) == 0 else value})

    return convert


def chosen(to: str, words: Mapping[str, str], otherwise: str = "") -> Convert:
    """One of several words, by a table; other words are answered."""

    def convert(value: object, others: Settings) -> Outcome:
        word = str(value).rpartition(".")[2].lower()
        if word in words:
            return Outcome({to: words[word]})
        return Outcome(remark=otherwise or f"Bascule's `{to}` has no such value.")

    return convert


def listed(to: str, separator: str = ",") -> Convert:
    """A list, or a text with separators."""
    return lambda value, others: Outcome({to: items(value, separator)})


def truth(value: object) -> bool:
    """Return a value that is on or off. Raises ValueError."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word not in TRUE | FALSE:
            raise ValueError("is neither on nor off")
        return word in TRUE
    return bool(value)


def number(value: object) -> float:
    """Return a number. Raises ValueError."""
    if isinstance(value, int | float):
        return value
    try:
        return float(str(value))
    except ValueError:
        raise ValueError("is not a number") from None


def whole(value: object) -> int:
    """Return a whole number; a decimal fraction is cut off. Raises ValueError."""
    found = number(value)
    if found != found or abs(found) == float("inf"):
        raise ValueError("is not a number")
    return int(found)


def items(value: object, separator: str = ",") -> list[Any]:
    """Return the items of a list, or of a text with separators."""
    if value is None:
        return []
    if isinstance(value, str):
        return [part for part in (one.strip() for one in value.split(separator)) if part]
    if isinstance(value, list | tuple | set | frozenset):
        return [part for one in value for part in items(one, separator)]
    return [value]


def address(text: str, port: int = 8000) -> str:
    """Return an address as Bascule writes it."""
    text = text.strip()
    for scheme in ("tcp://", "http://", "https://"):
        text = text.removeprefix(scheme)
    if text.startswith(("unix:", "fd://")):
        return text
    if text.startswith(("/", "./", "../", "@")):
        return f"unix:{text}"
    if text.startswith(":"):
        return f"0.0.0.0{text}"
    if text.startswith("*:"):
        return f"0.0.0.0{text[1:]}"
    if text.isdigit():
        return f"0.0.0.0:{text}"
    if ":" not in text.rpartition("]")[2]:
        return f"{text}:{port}"
    return text


def addresses(value: object, others: Settings) -> Outcome:
    """A list of addresses."""
    return Outcome({"bind": list(dict.fromkeys(address(str(one)) for one in items(value)))})


def application(value: object, others: Settings) -> Outcome:
    """The application: module:attribute, or with brackets a function that returns it."""
    target = str(value).strip()
    name, bracket, arguments = target.partition("(")
    if not bracket:
        return Outcome({"target": target})
    values = {"target": name.rstrip(), "factory": True}
    if arguments.strip().rstrip(")").strip():
        remark = (
            f"The arguments ({arguments} are not passed on: Bascule calls a factory without "
            "arguments. Write a function that calls it with them, and name that one."
        )
        return Outcome(values, remark)
    return Outcome(values)


def log_level(value: object, others: Settings) -> Outcome:
    """A log level."""
    word = str(value).lower()
    if word in ("trace", "notset"):
        return Outcome(
            {"log_level": "debug"}, f"Bascule has no level {word}; debug is the lowest."
        )
    return Outcome({"log_level": {"warn": "warning", "fatal": "critical"}.get(word, word)})


def access_log(value: object, others: Settings) -> Outcome:
    """The file of the access log."""
    if value is None or value in ("", "None"):
        return Outcome({"access_log": False})
    if value in ("-", "/dev/stdout", "/proc/1/fd/1", "/proc/self/fd/1"):
        return Outcome({"access_log": True})
    if value == "/dev/null":
        return Outcome({"access_log": False})
    return Outcome(
        {"access_log": True},
        "Bascule writes the access log to stdout, and no files: let the service manager keep it, "
        "redirect stdout, or name a file with `log_config`.",
    )


ERROR_LOG = (
    "Bascule writes its log to stderr, and no files: let the service manager keep it, redirect "
    "stderr, or name a file with `log_config`."
)


def error_log(value: object, others: Settings) -> Outcome:
    """The file of the error log."""
    usual = (None, "", "-", "/dev/stderr", "/dev/stdout", "/proc/1/fd/2", "/proc/self/fd/2")
    return Outcome(remark=NOTHING_TO_DO if value in usual else ERROR_LOG)


def client_certificates(value: object, others: Settings) -> Outcome:
    """Whether clients must show a certificate: a number, a name, or an attribute of `ssl`."""
    word = str(value).rpartition(".")[2].lower().removeprefix("cert_")
    return Outcome({"ssl_cert_reqs": word})


def trusted(value: object, others: Settings) -> Outcome:
    """Trusted proxies."""
    return (
        Outcome({"forwarded_allow_ips": items(value)})
        if items(value)
        else Outcome(
            remark="An empty list trusts no proxy; in Bascule write `proxy_headers = false`."
        )
    )


def mask(value: object, others: Settings) -> Outcome:
    """A umask. Gunicorn reads text as Python does, where 0o22, 022 and 18 are all possible."""
    if isinstance(value, str):
        text = value.strip()
        if text.isdigit() and (text == "0" or not text.startswith("0")):
            return Outcome({"umask": f"{int(text):04o}"})
        return Outcome({"umask": text.lower().removeprefix("0o")})
    return Outcome({"umask": f"{int(number(value)):04o}"})


def joined(*converts: Convert) -> Convert:
    """Several conversions of one value."""

    def convert(value: object, others: Settings) -> Outcome:
        outcomes = [one(value, others) for one in converts]
        values = {name: each for outcome in outcomes for name, each in outcome.values.items()}
        return Outcome(values, " ".join(one.remark for one in outcomes if one.remark))

    return convert


def only_if(condition: Callable[[Settings], bool], convert: Convert, otherwise: str) -> Convert:
    """A conversion under a condition about the other settings; else an answer."""
    return lambda value, others: (
        convert(value, others) if condition(others) else Outcome(remark=otherwise)
    )
