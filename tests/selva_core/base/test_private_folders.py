"""Whose the daemon's folders are, and who may look into them."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from selva_core.base.errors import StorageError
from selva_core.base.paths import ensure_folder, ensure_private_folder, find_ownership_problem

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="mode bits say nothing there")


def mode_of(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


def test_a_private_folder_is_made_or_closed_to_others(tmp_path: Path) -> None:
    ensure_private_folder(tmp_path / "new")
    (tmp_path / "readable").mkdir()
    (tmp_path / "readable").chmod(0o755)
    ensure_private_folder(tmp_path / "readable")
    assert (mode_of(tmp_path / "new"), mode_of(tmp_path / "readable")) == (0o700, 0o700)


def test_a_folder_that_others_write_into_is_refused_and_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(StorageError, match=r"mode 0777.*chmod 700"):
        ensure_private_folder(tmp_path)
    assert mode_of(tmp_path) == 0o1777
    tmp_path.chmod(0o700)


def test_a_shared_folder_keeps_its_mode_and_a_new_one_is_private(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2775)
    ensure_folder(shared)
    ensure_folder(tmp_path / "new")
    assert (mode_of(shared), mode_of(tmp_path / "new")) == (0o2775, 0o700)


def test_what_belongs_to_another_user_is_named(tmp_path: Path) -> None:
    status = tmp_path.stat()
    another = os.geteuid() + 1
    if status.st_uid:
        problem = find_ownership_problem(status, forbidden_mode=0, user=another)
        assert problem is not None
        assert f"uid {status.st_uid}, and this is {another}" in problem
    assert find_ownership_problem(status, forbidden_mode=0) is None
    assert find_ownership_problem(status, forbidden_mode=0o777, platform="win32") is None
