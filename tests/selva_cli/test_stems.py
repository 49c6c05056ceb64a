"""What `selva stems` refuses, before a daemon is started."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.selva_cli.command_line import DOG, assert_refused, run

pytestmark = pytest.mark.usefixtures("no_daemon")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--start", "0.4", "--end", "0.2"), "starts before it ends"),
        (("--end", "99"), "lasts 0.500 s"),
        (("--start", "soon"), "a time is seconds"),
        (("--start", "00:00:99:00"), "no timecode"),
    ],
)
def test_ranges_outside_a_file_are_refused(cut: Path, options: Sequence[str], text: str) -> None:
    folder = cut.parent / "stems"
    assert_refused(run("stems", cut.parent / "shot.mov", "-o", folder, *DOG, *options), text)
    assert not folder.exists()


def test_files_without_picture_are_refused(tmp_path: Path) -> None:
    assert_refused(run("stems", tmp_path / "none.mov", "-o", tmp_path, *DOG), "none.mov")
    junk = tmp_path / "junk.mov"
    junk.write_bytes(b"this is no movie" * 100)
    assert_refused(run("stems", junk, "-o", tmp_path, *DOG), "junk.mov")
