"""Links between the pages, and to files and headings, lead somewhere."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "bench/*.md", "examples/**/*.md")
    for page in ROOT.glob(pattern)
)
FENCED = re.compile(r"^( *)```.*?^\1```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
ELSEWHERE = ("http://", "https://", "mailto:")


def prose(page: Path) -> str:
    """Without blocks of code, in which brackets and # mean something else."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The names of the headings, as GitHub and most others make them."""
    found: set[str] = set()
    for heading in HEADING.findall(prose(page)):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        count = 0
        while (unique := f"{name}-{count}" if count else name) in found:
            count += 1
        found.add(unique)
    return found


def broken(page: Path) -> list[str]:
    missing = []
    for link in LINK.findall(prose(page)):
        if link.startswith(ELSEWHERE):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            missing.append(link)
    return missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_no_page_of_the_docs_is_without_a_way_to_it() -> None:
    linked = {
        (page.parent / unquote(link).partition("#")[0]).resolve()
        for page in PAGES
        for link in LINK.findall(prose(page))
        if not link.startswith((*ELSEWHERE, "#"))
    }
    # A link to a folder shows its README.
    linked |= {path / "README.md" for path in linked if path.is_dir()}
    lost = [page for page in ROOT.glob("docs/**/*.md") if page not in linked]
    assert lost == []


def test_no_page_of_the_docs_has_two_headings_of_one_name() -> None:
    """A link to the second would lead elsewhere when the first changes. Pages made from the code
    are another matter."""
    twice = {
        str(page.relative_to(ROOT)): names
        for page in ROOT.glob("docs/**/*.md")
        if page.parent.name != "reference" and (names := repeated(page))
    }
    assert twice == {}


def repeated(page: Path) -> set[str]:
    names = anchors(page)
    return {
        name
        for name in names
        if name != (first := name.rstrip("0123456789")) and first[:-1] in names
    }
