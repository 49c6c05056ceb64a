"""Pages lead where they say, and the site shows all of them."""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docs.pages import ROOT, Page, all_pages

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGES = {page.name: page for page in all_pages()}


def iter_broken_links(page: Page) -> Iterator[str]:
    for link in page.links:
        path, _, anchor = link.partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page.name), path)) if path else page.name
        if page.name.startswith("docs/") and not target.startswith("docs/"):
            yield f"{link}: the site has no page outside docs/"
        elif not (ROOT / target).exists():
            yield f"{link}: there is no such file"
        elif anchor and anchor not in PAGES[target].anchors:
            yield f"{link}: no heading of {target} has that anchor"


def iter_navigation(entries: list[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        for target in entry.values():
            if isinstance(target, str):
                yield target
            else:
                yield from iter_navigation(target)


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    assert list(iter_broken_links(PAGES[name])) == []


@pytest.mark.parametrize(
    ("link", "is_broken"),
    [
        ("operation/security.md", False),
        ("operation/daemon.md#folders", False),
        ("operation/daemon.md#folder", True),
        ("operation/nowhere.md", True),
        ("../README.md", True),
        ("https://example.org/nowhere", False),
    ],
)
def test_a_broken_link_would_be_seen(link: str, is_broken: bool) -> None:
    page = Page("docs/page.md", f"# Page\n\n[text]({link})\n")
    assert bool(list(iter_broken_links(page))) is is_broken


def test_the_site_lists_every_page_once() -> None:
    config = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    listed = [f"docs/{name}" for name in iter_navigation(config["project"]["nav"])]
    assert sorted(listed) == sorted(name for name in PAGES if name.startswith("docs/"))


@pytest.mark.parametrize("name", PAGES)
def test_every_block_names_its_language(name: str) -> None:
    """A block without one is neither coloured nor checked."""
    assert [block.text for block in PAGES[name].blocks if not block.language] == []


@pytest.mark.parametrize("name", PAGES)
def test_no_block_is_empty_or_hides_a_picture(name: str) -> None:
    """As where a fence stands at the wrong place."""
    assert [block.text for block in PAGES[name].blocks if not block.text.strip() or "![" in block.text] == []


def test_pages_to_begin_with_fit_on_a_screen() -> None:
    first = [page for name, page in PAGES.items() if name.startswith("docs/start/") and "install" not in name]
    assert len(first) == 5
    assert [page.name for page in first if page.text.count("\n") > 45] == []
    assert PAGES["README.md"].text.split("## First stems")[0].count("\n") < 25
