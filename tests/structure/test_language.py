"""Prose keeps to docs/language.md.

Markdown, comments, docstrings, other strings, names and commit subjects are checked. A finding
names the file, the line and the better phrase. `python tests/structure/test_language.py PATH...`
prints the findings in files and folders, checked or not.
"""

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "language.md"
# History is not rewritten, and the examples below are meant to be found.
EXEMPT = (ROOT / "CHANGELOG.md", Path(__file__))

FOLDERS = ("src", "tests", "bench", "scripts", "examples", "docs", ".ci", ".github")
# Pages whose lines a program writes.
GENERATED = ("bench/RESULTS.md", "docs/reference/settings.md")
# Folders that the commands of the project make.
BUILT = {"__pycache__", ".venv", "work"}
LONGEST_LINE = 100
LONGEST_SUBJECT = 72
# Commits after this one are checked.
FIRST_COMMIT = "e344611"

FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|``[^`]+``|`[^`]*`")
# The end of a sentence, or of the label before a list.
SENTENCE = re.compile(r"(?<=[.!?:])\s+(?=[A-Z\"'`(])")
STRING = re.compile(r"(\w*)(\"\"\"|'''|\"|')(.*)\2", re.DOTALL)
# Up to Python 3.11 an f-string is one STRING.
FSTRING_MIDDLE: int = getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)
ENDS_OF_A_STRING = (tokenize.OP, tokenize.NEWLINE, tokenize.NAME)
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@cache
def blocks() -> list[str]:
    return [block[2] for block in FENCED.findall(PAGE.read_text("utf-8")) if block[1] == "text"]


@cache
def rules() -> list[tuple[re.Pattern[str], str]]:
    found = []
    for line in blocks()[0].splitlines():
        pattern, better = (part.strip() for part in line.rsplit("->", 1))
        flags = re.NOFLAG if pattern.startswith("^") else re.IGNORECASE
        found.append((re.compile(pattern, flags), better))
    return found


@cache
def words_not_used_in_names() -> frozenset[str]:
    return frozenset(blocks()[1].split())


def faults(text: str) -> Iterator[str]:
    """The phrases of a paragraph that docs/language.md names."""
    for sentence in SENTENCE.split(" ".join(text.split())):
        sentence = QUOTED.sub("…", sentence)
        for pattern, better in rules():
            if pattern.pattern.startswith("^") and sentence.endswith("?"):
                continue
            if match := pattern.search(sentence):
                yield f"{sentence[: 40 + match.end()]!r}: {match[0]!r} -> {better}"


def paragraphs(text: str, line: int) -> Iterator[tuple[int, str]]:
    """Split where a line is empty, or begins an item of a list."""
    start, lines = line, []
    for number, each in enumerate(text.splitlines(), line):
        if not each.strip() or re.match(r"\s*([-*] |\d+\. |\|)", each):
            yield start, "\n".join(lines)
            start, lines = number, []
            each = each.strip().removeprefix("- ").removeprefix("* ")
        lines.append(each)
    yield start, "\n".join(lines)


def prose_of_markdown(text: str) -> Iterator[tuple[int, str]]:
    # Code becomes as many empty lines, so that numbers of lines stay right.
    text = FENCED.sub(lambda match: "\n" * match[0].count("\n"), text)
    text = re.sub(r"\]\([^)\s]+\)", "]", text)
    text = re.sub(r"^(#| {4}).*", "", text, flags=re.MULTILINE)
    for start, paragraph in paragraphs(text, 1):
        if paragraph.startswith("|"):
            for cell in paragraph.strip("|").split("|"):
                yield start, cell
        else:
            yield start, paragraph


def prose_of_python(text: str) -> Iterator[tuple[int, str]]:
    """Comments on adjacent lines are one text, and so are strings that follow each other."""
    comment: list[str] = []
    comment_at = column = last = 0
    string: list[str] = []
    string_at = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        row = token.start[0]
        if token.type == tokenize.COMMENT:
            if comment and (row != last + 1 or token.start[1] != column):
                yield from paragraphs("\n".join(comment), comment_at)
                comment = []
            if not comment:
                comment_at, column = row, token.start[1]
            comment.append(token.string.lstrip("#").strip())
            last = row
        elif token.type in (tokenize.STRING, FSTRING_MIDDLE):
            if not string:
                string_at = row
            string.append(inside(token.string) if token.type == tokenize.STRING else token.string)
        elif string and token.type in ENDS_OF_A_STRING:
            yield from paragraphs("".join(string), string_at)
            string = []
    yield from paragraphs("\n".join(comment), comment_at)


def inside(literal: str) -> str:
    """The text of a string as it is written, without its quotes; nothing of bytes."""
    match = STRING.fullmatch(literal)
    assert match is not None
    prefix, _, text = match.groups()
    if "b" in prefix.lower():
        return ""
    return re.sub(r"\{[^{}]*\}", "…", text) if "f" in prefix.lower() else text


def prose_of_comments(text: str) -> Iterator[tuple[int, str]]:
    """Of a shell script, a Makefile or a configuration file."""
    lines = text.splitlines()
    kept = (line.lstrip("# ") if line.lstrip().startswith("#") else "" for line in lines)
    yield from paragraphs("\n".join(kept), 1)


def names(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], token.string


def findings(path: Path) -> list[str]:
    text = path.read_text("utf-8")
    where = path.relative_to(ROOT).as_posix()
    found = []
    if path.suffix == ".md":
        prose = prose_of_markdown(text)
    elif path.suffix in (".py", ".pxd"):
        prose = prose_of_python(text) if path.suffix == ".py" else prose_of_comments(text)
    else:
        prose = prose_of_comments(text)
    for line, paragraph in prose:
        found += [f"{where}:{line}: {fault}" for fault in faults(paragraph)]
    unwanted = words_not_used_in_names()
    if path.suffix == ".py":
        found += [
            f"{where}:{line}: the name {name}"
            for line, name in names(text)
            if not unwanted.isdisjoint(word.lower() for word in WORD.findall(name))
        ]
    if not unwanted.isdisjoint(word.lower() for word in WORD.findall(path.name)):
        found.append(f"{where}: the name of the file")
    if path.suffix == ".md" and where not in GENERATED:
        found += [f"{where}:{line}: wraps at {LONGEST_LINE}" for line in long_lines(text)]
    return found


def long_lines(text: str) -> list[int]:
    """Numbers of the lines of prose that are too long; a link may be as long as it is."""
    text = FENCED.sub(lambda match: "\n" * match[0].count("\n"), text)
    return [
        number
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > LONGEST_LINE
        and not line.startswith(("|", "    ", "#", "!["))
        and not re.fullmatch(r"\s*\S+(\]\(\S+)?|.*\]\([^)]{60,}\)\S*", line)
    ]


def files() -> list[Path]:
    found = [*ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "setup.py", ROOT / "pyproject.toml"]
    for folder in FOLDERS:
        found += (
            path
            for path in (ROOT / folder).rglob("*")
            if path.suffix in (".py", ".pxd", ".md", ".yml") or path.parent.name == "scripts"
        )
    return sorted(
        path
        for path in found
        if path.is_file() and not BUILT & set(path.relative_to(ROOT).parts) and path not in EXEMPT
    )


def folder_of(path: Path) -> str:
    """The folder whose files are one test."""
    return "/".join(path.relative_to(ROOT).parts[:-1][:2]) or "."


@pytest.mark.parametrize("folder", sorted({folder_of(path) for path in files()}))
def test_prose_avoids_the_phrases_that_the_page_names(folder: str) -> None:
    chosen = [path for path in files() if folder_of(path) == folder]
    found = [finding for path in chosen for finding in findings(path)]
    assert found == [], "\n".join(["see docs/language.md:", *found])


def test_files_of_every_kind_are_checked() -> None:
    assert {"README.md", "__init__.py", "Makefile", "test"} <= {path.name for path in files()}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("At most 8 octets.", 1),
        ('RFC 9112: "a sequence of octets".', 0),
        ("The attribute `octets` is a number.", 0),
        ("It waits for\never and ever.", 1),
        ("What is sent is lost.", 1),
        ("What is it?", 0),
        ("It is known. Who asks, waits.", 1),
        ("A client, that one who asks, waits.", 0),
        ("That it ends is known. That is known.", 1),
        ("The old workers go on.", 1),
        ("The bytes go on the wire.", 0),
    ],
)
def test_phrases_are_found(text: str, count: int) -> None:
    assert len(list(faults(text))) == count


def test_prose_of_python_is_found() -> None:
    source = """
# A comment
# of two lines.
x = "One " "text."
y = f"A {x} text."
b"Wire."
def f():
    'A docstring.'  # At the end.
"""
    found = [text for _, text in sorted(prose_of_python(source)) if text]
    assert found[:2] == ["A comment\nof two lines.", "One text."]
    assert found[-2:] == ["A docstring.", "At the end."]
    assert "Wire." not in found


def test_prose_of_markdown_is_found() -> None:
    page = "# Title\n\nA line\nand\n\n    code\n\n```\nmore code\n```\n- item\n| cell | other |\n"
    assert [text.strip() for _, text in prose_of_markdown(page) if text.strip()] == [
        "A line\nand",
        "item",
        "cell",
        "other",
    ]


def test_long_lines_are_found() -> None:
    long = "word " * 21
    assert long_lines(f"{long}\n| {long} |\n```\n{long}\n```\n{long}\n") == [1, 6]


def test_subjects_of_commits_name_the_area_and_are_short() -> None:
    asked = ["git", "-C", str(ROOT), "log", "--format=%s", f"{FIRST_COMMIT}..HEAD"]
    try:
        log = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("there is no history here")
    wrong = [
        subject
        for subject in log.splitlines()
        if len(subject) > LONGEST_SUBJECT or not re.match(r"[\w.,/ -]+: \S", subject)
    ]
    assert wrong == []


def print_findings(paths: list[str]) -> int:
    """Print the findings of files and folders, and return the exit code."""
    wanted = [Path(path).resolve() for path in paths]
    checked = [
        one for one in files() if any(one == each or each in one.parents for each in wanted)
    ]
    found = [finding for path in checked for finding in findings(path)]
    print(*found, sep="\n", end="\n" if found else "")
    if not checked:
        print("none of these paths has a file that is checked", file=sys.stderr)
    return 1 if found or not checked else 0


if __name__ == "__main__":
    sys.exit(print_findings(sys.argv[1:]))
