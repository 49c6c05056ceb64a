"""The page of manual checks names code that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "development" / "manual-checks-reaper.md").read_text(encoding="utf-8")
FOLDERS = {"lib/": ROOT / "plugins" / "reaper" / "Selva", "hosts/": ROOT / "plugins" / "selva_plugins"}
MENTIONS = re.findall(
    r"(?:`(?P<name>[\w.]+)`[^`\n]{0,40} in )?`(?P<path>(?:lib|hosts)/[\w/]+\.(?:lua|py))`", PAGE
)


def test_page_names_code() -> None:
    assert len(MENTIONS) >= 8


@pytest.mark.parametrize(("name", "path"), MENTIONS, ids=lambda text: text)
def test_code_that_the_page_names_is_there(name: str, path: str) -> None:
    folder = next(folder for start, folder in FOLDERS.items() if path.startswith(start))
    assert name in (folder / path).read_text(encoding="utf-8")
