"""bascule.toml, as text: a comment at each line, and below them everything else as comments."""

import json
import textwrap
from collections.abc import Sequence

from bascule.migration.conversions import NOTHING_TO_DO
from bascule.migration.plan import Line, Plan
from bascule.settings import OPTIONS

WIDTH = 99
INDENT = "    "


def toml(value: object) -> str:
    """Return a value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    # A basic string of TOML has the escapes of JSON, and DEL needs one as well.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def comment(text: str, indent: str = "") -> list[str]:
    """Return a paragraph as comment lines."""
    return textwrap.wrap(
        printable(text),
        WIDTH,
        initial_indent=f"# {indent}",
        subsequent_indent=f"# {indent}",
        break_long_words=False,
        break_on_hyphens=False,
    )


def printable(text: str) -> str:
    """Return a text without control characters, which no comment of TOML may have."""
    return "".join(one if one.isprintable() else " " for one in text)


def settings_file(plan: Plan, sources: Sequence[str]) -> str:
    """Return the text of bascule.toml."""
    lines = comment(f"Made by `bascule migrate` from {', '.join(sources)}.")
    section = ""
    for name, option in OPTIONS.items():
        if name not in plan.lines:
            continue
        if option.section != section:
            section = option.section
            lines += ["", f"# {section}"]
        lines += setting(name, plan.lines[name])
    if not plan.lines:
        lines += ["", "# No setting of Bascule is needed."]
    remarks = [one for one in plan.remarks if one.says != NOTHING_TO_DO]
    if remarks:
        lines += ["", "# Without a counterpart, or with another meaning:"]
        for remark in remarks:
            lines.append("#")
            lines += comment(f"{remark.place}: {remark.text}" if remark.text else remark.place)
            lines += comment(remark.says, INDENT)
    if len(remarks) < len(plan.remarks):
        lines += ["", "# Nothing to do for these: Bascule does the same without a setting.", "#"]
        for remark in plan.remarks:
            if remark.says == NOTHING_TO_DO:
                lines += comment(f"{remark.place}: {remark.text}", INDENT)
    for server, differences in plan.defaults.items():
        if differences:
            lines += ["", f"# Defaults that differ from those of {server}:"]
            for says in differences:
                lines += ["#", *comment(says, INDENT)]
    for heading, block in plan.elsewhere:
        lines += ["", *comment(heading), "#"]
        lines += [f"#{INDENT} {printable(line)}".rstrip() for line in block]
    return "\n".join(lines) + "\n"


def setting(name: str, line: Line) -> list[str]:
    """Return the lines of one setting; the comment stands behind it if there is room."""
    notes = f" ({'; '.join(dict.fromkeys(line.notes))})" if line.notes else ""
    source = f"{'; '.join(line.sources)}{notes}"
    written = f"{name} = {toml(line.value)}"
    whole = f"{written}  # {printable(source)}"
    return [whole] if len(whole) <= WIDTH else [*comment(source), written]
