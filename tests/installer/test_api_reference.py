"""The API reference: its pages are those of the docstrings, and a name that is nowhere defined is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.installer.scripts import ROOT, load_script

reference = load_script("api_reference")


@pytest.mark.parametrize("name", ["README.md", *(f"{package}.md" for package in reference.SOURCES)])
def test_page_is_up_to_date(name: str) -> None:
    written = (ROOT / reference.PAGES / name).read_text(encoding="utf-8")
    assert written == reference.build_pages(ROOT)[name], "run: python installer/api_reference.py"


FACE = '''"""Face."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selva_core.thing import Thing

__all__ = ["Thing"]
'''
THING = '''
class Thing:
    """A thing."""

    size_px: int = 3

    def grow(self, by_px: int) -> None:
        """Make it larger."""
'''


def write_package(root: Path, face: str, module: str) -> None:
    folder = root / "selva_core"
    folder.mkdir()
    (folder / "__init__.py").write_text(face, encoding="utf-8")
    (folder / "thing.py").write_text(module, encoding="utf-8")


def test_public_name_is_described_where_it_is_defined(tmp_path: Path) -> None:
    write_package(tmp_path, FACE, THING)
    page = reference.write_page(tmp_path, "selva_core")
    assert "class Thing\n    size_px: int = 3" in page
    assert "A thing." in page
    assert "- `grow(by_px: int) -> None`: Make it larger." in page


def test_public_name_that_is_defined_nowhere_is_refused(tmp_path: Path) -> None:
    write_package(tmp_path, FACE, "")
    with pytest.raises(reference.MissingNameError, match="names Thing"):
        reference.write_page(tmp_path, "selva_core")
