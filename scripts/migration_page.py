"""Prints docs/howto/coming-from-….md: a template with the tables of `bascule.migration`.

    python scripts/migration_page.py docs/howto/coming-from-gunicorn-or-uvicorn.md.in

A line `{gunicorn}` of the template becomes the table of that server, with every setting of it.
"""

import re
import sys
from itertools import groupby
from pathlib import Path

from bascule.migration.files import TABLES
from bascule.migration.shapes import Setting, Table
from bascule.settings import OPTIONS

ROOT = Path(__file__).parents[1]
TEMPLATES = sorted((ROOT / "docs" / "howto").glob("coming-from-*.md.in"))
COMMENT = "<!-- Made by scripts/migration_page.py: change its template or bascule.migration. -->"
PAGE = re.compile(r"docs/(howto/)?([\w-]+)\.md")
PLACEHOLDER = re.compile(r"\{([\w-]+)\}")


def page(template: Path) -> str:
    """Return the page of a template as Markdown."""
    title, _, rest = template.read_text(encoding="utf-8").partition("\n")
    lines = [title, "", COMMENT]
    for line in rest.splitlines():
        found = PLACEHOLDER.fullmatch(line)
        lines += rows(TABLES[found[1]]) if found is not None else [line]
    return "\n".join(lines) + "\n"


def rows(table: Table) -> list[str]:
    """Return the table of a server; neighbours with the same answer share a row."""
    lines = [f"| {table.title} | Bascule | |", "|---|---|---|"]
    for (to, note), settings in groupby(table.settings, lambda one: (one.counterpart, one.note)):
        group = list(settings)
        # Only an answer is shared: two settings with a counterpart have a row each.
        for some in [group] if not to else [[one] for one in group]:
            names = ", ".join(spelled(one) for one in some)
            lines.append(f"| {names} | {counterpart(to)} | {escaped(note)} |")
    return lines


def spelled(setting: Setting) -> str:
    """Return the names of a setting: that of the file, and the flags unless they are the same."""
    flags = [flag for flag in setting.flags if flag.strip("-").replace("-", "_") != setting.name]
    same = [flag for flag in setting.flags if flag not in flags]
    return ", ".join(f"`{escaped(name)}`" for name in [*(same or [setting.name]), *flags])


def counterpart(name: str) -> str:
    if not name:
        return ""
    option = OPTIONS[name]
    return f"`{option.metavar}`" if name == "target" else f"`{option.flag}`"


def escaped(text: str) -> str:
    """Return a text for a cell of a table, with links to the pages that it names."""
    text = PAGE.sub(lambda found: f"[{found[2]}]({'' if found[1] else '../'}{found[2]}.md)", text)
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(page(Path(sys.argv[1])), end="")
