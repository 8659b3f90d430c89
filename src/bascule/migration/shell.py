"""Command lines: words, variables, and the server that a command starts.

Words are split as a POSIX shell splits them. Variables get the values that the file at hand gives
them; `$(nproc)` and arithmetic with it are computed. Every other substitution is not known.
"""

import ast
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from bascule.errors import UsageError
from bascule.migration.evaluate import CannotEvaluate, Evaluator
from bascule.migration.shapes import TYPED, UNKNOWN, Found, Remark, Setting, Table

SEPARATORS = ("&&", "||", ";;", ";", "|", "&", "\n")
REDIRECTION = re.compile(r"(?:\d*(?:>>|<<|>&|<&|>\||>|<)|&>>?)[ \t]*", re.ASCII)
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=", re.ASCII)
UNSAFE = re.compile(r"[\s'\"\\;&|()#*?!~<>]")
VARIABLE = re.compile(
    r"\$\{(?P<braced>\w+)(?::?(?P<how>[-+=?])(?P<default>[^{}]*))?\}|\$(?P<plain>[A-Za-z_]\w*)",
    re.ASCII,
)
ARITHMETIC = re.compile(
    r"\$\(\((?P<sum>.*)\)\)|\$\((?P<command>[^()]*)\)|`(?P<old>[^`]*)`", re.DOTALL
)
# Files that uWSGI takes without a flag.
CONFIGURATIONS = (".ini", ".yml", ".yaml", ".xml", ".json")
NPROC = re.compile(r"\$\(\s*nproc(?: --all)?\s*\)|`nproc`|\$\(getconf _NPROCESSORS_ONLN\)")


class Token(str):
    """A word without its quotes.

    start, end: where it is written in the text.
    """

    start: int
    end: int

    @classmethod
    def at(cls, text: str, start: int, end: int) -> Self:
        token = cls(text)
        token.start, token.end = start, end
        return token


class Redirection(Token):
    """A redirection as it is written: ">> log", "2>&1"."""


def split(text: str, place: str) -> list[list[Token]]:
    """Return the commands of a shell line, each as its words and redirections.

    Raises UsageError for a quote that does not end.
    """
    commands: list[list[Token]] = [[]]
    position = 0
    while position < len(text):
        separator = next((one for one in SEPARATORS if text.startswith(one, position)), "")
        redirection = REDIRECTION.match(text, position)
        if text[position] == "#":
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        elif redirection is not None:
            _, end = take_word(text, redirection.end(), place)
            commands[-1].append(Redirection.at(text[position:end], position, end))
            position = end
        elif separator:
            position += len(separator)
            commands.append([])
        elif text.startswith("\\\n", position):
            position += 2
        elif text[position].isspace():
            position += 1
        else:
            word, end = take_word(text, position, place)
            commands[-1].append(Token.at(word, position, end))
            position = end
    return [one for one in commands if one]


def take_word(text: str, position: int, place: str) -> tuple[str, int]:
    """Return the word that begins here, without quotes, and the position behind it."""
    word = ""
    while position < len(text):
        character = text[position]
        if character.isspace() or character in ";|&<>":
            break
        if character == "\\":
            word += text[position + 1 : position + 2].replace("\n", "")
            position += 2
        elif character in "'\"":
            inner, position = take_quoted(text, position, place)
            word += inner
        elif character == "`" or text.startswith(("$(", "${"), position):
            end = end_of_substitution(text, position, place)
            word += text[position:end]
            position = end
        else:
            word += character
            position += 1
    return word, position


def take_quoted(text: str, position: int, place: str) -> tuple[str, int]:
    quote = text[position]
    word = ""
    position += 1
    while position < len(text) and text[position] != quote:
        if (
            quote == '"'
            and text[position] == "\\"
            and text[position + 1 : position + 2] in '"\\$`\n'
        ):
            word += text[position + 1 : position + 2].replace("\n", "")
            position += 2
        else:
            word += text[position]
            position += 1
    if position >= len(text):
        raise UsageError(f"{place}: a quotation mark {quote} has no end")
    return word, position + 1


def end_of_substitution(text: str, position: int, place: str) -> int:
    """Return the position behind `…`, $(…) or ${…}."""
    if text[position] == "`":
        end = text.find("`", position + 1)
        if end < 0:
            raise UsageError(f"{place}: a ` has no end")
        return end + 1
    pairs = {"(": ")", "{": "}"}
    opening = text[position + 1]
    depth = 0
    for index in range(position + 1, len(text)):
        if text[index] == opening:
            depth += 1
        elif text[index] == pairs[opening]:
            depth -= 1
            if not depth:
                return index + 1
    raise UsageError(f"{place}: ${opening} has no end")


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its variables replaced.

    value: the text, or UNKNOWN.
    why: assumptions, or the reason.
    variables: the names of the variables in it.
    """

    value: object
    why: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()


def expand(raw: str, environment: Mapping[str, str]) -> Word:
    """Replace the variables and substitutions of a word."""
    why: list[str] = []
    names: list[str] = []
    missing: list[str] = []
    counted = NPROC.sub(lambda found: f"{os.cpu_count() or 1}", raw)
    if counted != raw:
        why.append(f"{os.cpu_count()} processors on this machine")

    def value_of(found: re.Match[str]) -> str:
        name = found["braced"] or found["plain"]
        names.append(name)
        if environment.get(name):
            return environment[name]
        if found["how"] in ("-", "="):
            why.append(f"{name} is not set here, so its default")
            return found["default"] or ""
        if found["how"] == "+":
            return ""
        missing.append(name)
        return ""

    text = counted
    for _ in range(4):  # defaults may have variables in them
        replaced = VARIABLE.sub(value_of, text)
        if replaced == text:
            break
        text = replaced
    if missing:
        return Word(UNKNOWN, (f"{', '.join(missing)} is not set here",), tuple(names))
    substitution = ARITHMETIC.search(text)
    if substitution is not None:
        try:
            if substitution["sum"] is None or substitution[0] != text:
                raise CannotEvaluate("a command gives it")
            whole = ast.parse(substitution["sum"].strip(), mode="eval").body
            text = str(int(Evaluator(environment).evaluate(whole)))
        except (CannotEvaluate, SyntaxError, TypeError, ValueError):
            return Word(UNKNOWN, (f"{substitution[0]} gives it",), tuple(names))
    return Word(text, tuple(why), tuple(names))


@dataclass(frozen=True, slots=True)
class Invocation:
    """A server that a command starts.

    server: its name.
    arguments: the words behind it.
    environment: with the variables that the command sets.
    rewritten: the whole command, with Bascule in the server's place: a text or words, as it was.
    """

    server: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    rewritten: "str | list[str]"


def quoted(word: str) -> str:
    """Return a word as a shell reads it; variables in it stay variables."""
    if isinstance(word, Redirection) or (word and not UNSAFE.search(word)):
        return word
    name = ASSIGNMENT.match(word)
    start = name[0] if name is not None else ""
    escaped = word[len(start) :].replace("\\", "\\\\").replace('"', '\\"')
    return f'{start}"{escaped}"'


def invocations(
    command: str | Sequence[str],
    servers: Sequence[str],
    place: str,
    environment: Mapping[str, str],
) -> list[Invocation]:
    """Return the servers that a command starts, in their order."""
    if not isinstance(command, str):
        return of_words(list(command), servers, place, environment, None)
    known = dict(environment)
    found = []
    for words in split(command, place):
        sets = [one for one in words if ASSIGNMENT.match(one)]
        if len(sets) == len(words) or words[0] == "export":
            known = assigned(sets, known)
        else:
            found += of_words(words, servers, place, known, command)
    return found


def assigned(words: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the variables that words such as A=1 set, where known."""
    known = dict(environment)
    for one in words:
        name, _, value = one.partition("=")
        expanded = expand(value, known).value
        if isinstance(expanded, str):
            known[name] = expanded
    return known


def of_words(
    words: Sequence[str],
    servers: Sequence[str],
    place: str,
    environment: Mapping[str, str],
    text: str | None,
) -> list[Invocation]:
    """Return the servers that one command starts: itself, or in the text that a shell gets.

    text: the text whose tokens the words are; None for words of a list.
    """
    for index, word in enumerate(words):
        name = os.path.basename(word)
        if name in servers and (index == 0 or words[index - 1] != "-c"):
            if not starts_here(words, index):
                continue
            arguments = until_redirection(words[index + 1 :])
            sets = assigned([one for one in words[:index] if ASSIGNMENT.match(one)], environment)
            program = [f"{word[: len(word) - len(name)]}bascule", "serve"]
            new = replaced(words, index, len(arguments) + 1, program, text)
            return [Invocation(name, tuple(arguments), sets, new)]
        if " " in word and any(server in word for server in servers):
            inner = invocations(word, servers, place, environment)
            if inner:
                return [
                    Invocation(
                        one.server,
                        one.arguments,
                        one.environment,
                        replaced(words, index, 1, [str(one.rewritten)], text),
                    )
                    for one in inner
                ]
    return []


def replaced(
    words: Sequence[str], index: int, count: int, new: Sequence[str], text: str | None
) -> str | list[str]:
    """Return a command with other words in the place of some."""
    if text is None:
        return [*words[:index], *new, *words[index + count :]]
    first, last = words[index], words[index + count - 1]
    assert isinstance(first, Token)
    assert isinstance(last, Token)
    return f"{text[: first.start]}{' '.join(map(quoted, new))}{text[last.end :]}"


def starts_here(words: Sequence[str], index: int) -> bool:
    """Whether a word that is the name of a server starts it, and is not a part of another command
    such as `pip install gunicorn`."""
    before = {os.path.basename(one) for one in words[:index]}
    return not before & {
        "pip",
        "pip3",
        "install",
        "echo",
        "pkill",
        "killall",
        "apk",
        "which",
        "add",
    }


def until_redirection(words: Sequence[str]) -> list[str]:
    for index, word in enumerate(words):
        if isinstance(word, Redirection):
            return list(words[:index])
    return list(words)


def read_arguments(
    table: Table,
    arguments: Sequence[str],
    place: str,
    environment: Mapping[str, str],
    strength: int = TYPED,
) -> tuple[list[Found], list[Remark]]:
    """Return the settings of a server's command line, and remarks about the rest."""
    flags = table.by_flag()
    found: list[Found] = []
    remarks: list[Remark] = []
    words = list(arguments)
    if words and words[0] in table.commands:
        words.pop(0)
    while words:
        word = words.pop(0)
        if word == "--":
            continue
        if not word.startswith("-") or word == "-":
            positional = by_position(table, word, place, environment, strength, found)
            if positional is None:
                says = f"{table.title} has no use for this word here."
                remarks.append(Remark(place, word, says))
            else:
                found.append(positional)
            continue
        name, equals, value = word.partition("=")
        negative = False
        setting = flags.get(name) or by_prefix(flags, name)
        if setting is None and name.startswith("--no-") and f"--{name[5:]}" in flags:
            setting, negative = flags[f"--{name[5:]}"], True
        if setting is None and not name.startswith("--") and len(name) > 2:
            setting = flags.get(word[:2])
            if setting is not None:
                name, equals, value = word[:2], "=", word[2:]
                if setting.takes == "nothing":
                    words.insert(0, f"-{value}")
                    equals = ""
        if setting is None:
            has_value = not equals and words and is_value(words[0], table, found)
            text = f"{word} {words.pop(0)}" if has_value else word
            says = f"{table.title} has no such option, as far as Bascule knows."
            remarks.append(Remark(place, text, says))
            continue
        if setting.takes == "nothing" and not equals:
            alone = False if negative else setting.alone
            found.append(Found(setting.name, alone, place, word, strength=strength))
            continue
        if not equals:
            if setting.takes == "optional" and (not words or words[0].startswith("-")):
                found.append(Found(setting.name, setting.alone, place, word, strength=strength))
                continue
            if not words:
                remarks.append(Remark(place, word, "The option has no value."))
                continue
            value = words.pop(0)
            if setting.takes == "pair" and words:
                value = f"{value} {words.pop(0)}"
        expanded = expand(value, environment)
        text = f"{name}{' ' if not equals else '=' if name.startswith('--') else ''}{value}"
        one = Found(
            setting.name, expanded.value, place, text, expanded.why, expanded.variables, strength
        )
        add(found, one, setting, remarks)
    return found, remarks


def is_value(word: str, table: Table, found: Sequence[Found]) -> bool:
    """Whether a word behind an unknown option is its value, and not the application."""
    if word.startswith("-"):
        return False
    if any(one.name == table.target for one in found):
        return True
    if table.target == "ini":
        return not word.endswith(CONFIGURATIONS)
    return not re.fullmatch(r"[A-Za-z_][\w.]*(?::.+)?", word)


def add(found: list[Found], one: Found, setting: Setting, remarks: list[Remark]) -> None:
    """Add a setting that was found; one that repeats becomes a list."""
    earlier = next((other for other in found if other.name == one.name), None)
    if earlier is None or UNKNOWN in (earlier.value, one.value):
        found.append(one)
        return
    if not setting.repeats:
        says = "The option is given again, and the last one counts."
        remarks.append(Remark(earlier.place, earlier.text, says))
        found.remove(earlier)
        found.append(one)
        return
    values = earlier.value if isinstance(earlier.value, list) else [earlier.value]
    found[found.index(earlier)] = Found(
        one.name,
        [*values, one.value],
        one.place,
        f"{earlier.text} {one.text}",
        (*earlier.why, *one.why),
        (*earlier.variables, *one.variables),
        one.strength,
    )


def by_prefix(flags: Mapping[str, Setting], name: str) -> Setting | None:
    """The setting whose long flag begins so, if that is only one: argparse allows it."""
    if not name.startswith("--") or len(name) < 5:
        return None
    near = {setting.name: setting for flag, setting in flags.items() if flag.startswith(name)}
    return next(iter(near.values())) if len(near) == 1 else None


def by_position(
    table: Table,
    word: str,
    place: str,
    environment: Mapping[str, str],
    strength: int,
    found: Sequence[Found],
) -> Found | None:
    """The application, which is given without a flag."""
    if not table.target or any(one.name == table.target for one in found):
        return None
    expanded = expand(word, environment)
    return Found(
        table.target, expanded.value, place, word, expanded.why, expanded.variables, strength
    )
