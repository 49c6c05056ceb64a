"""Paths of agents: inside the folders that were given, after links are followed, or refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from selva_cli.agents.allowed_folders import AllowedFolders, OutsideFoldersError
from selva_core.base.errors import RequestError
from tests.selva_cli.command_line import assert_refused, run


def test_paths_inside_are_resolved_and_others_refused(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "in and more"
    inside.mkdir()
    outside.mkdir()
    folders = AllowedFolders.open([inside])
    assert folders.resolve("a/b.otio") == inside.resolve() / "a" / "b.otio"
    assert folders.resolve(inside) == inside.resolve()
    for path in ("..", "../in and more/x", str(outside), "a/../../x"):
        with pytest.raises(OutsideFoldersError, match="outside of the folders"):
            folders.resolve(path)
    for path in ("", "  ", "a\0b"):
        with pytest.raises(RequestError, match="names a file or a folder"):
            folders.resolve(path)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_are_judged_by_where_they_lead(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "link").symlink_to(outside)
    (inside / "own").symlink_to(inside / "real")
    folders = AllowedFolders.open([inside])
    with pytest.raises(OutsideFoldersError):
        folders.resolve("link/file.otio")
    assert folders.resolve("own/file.otio") == inside.resolve() / "real" / "file.otio"


def test_a_server_without_a_folder_is_refused(tmp_path: Path) -> None:
    assert_refused(run("mcp"), "--folder DIR")
    assert_refused(run("mcp", "--folder", tmp_path / "none"), "there is no folder")
    assert AllowedFolders.open([tmp_path, tmp_path]).folders == (tmp_path.resolve(),)
