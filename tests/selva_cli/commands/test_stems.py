"""What `selva stems` refuses, before a daemon is started."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from selva_core.base.command_line import selva_command
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


def test_media_and_timelines_in_each_others_place_are_refused_with_the_command_that_works() -> None:
    cases = [
        (["render", "a b.mov"], ["stems", "a b.mov", "-o", "stems"]),
        (["render", "clip.MXF", "-o", "out.otio"], ["stems", "clip.MXF", "-o", "stems"]),
        (["spot", "frame.%04d.png"], ["stems", "frame.%04d.png", "-o", "stems"]),
        (["stems", "cut.otio", "-o", "x"], ["render", "cut.otio", "-o", "cut-with-stems.otio"]),
        (["stems", "cut.kdenlive", "-o", "x"], ["render", "cut.kdenlive", "-o", "cut-with-stems.otio"]),
    ]
    for arguments, expected in cases:
        result = run(*arguments, *DOG)
        assert_refused(result, selva_command(*expected, *DOG))
    assert_refused(run("stems", "cut.selva", "-o", "x"), selva_command("render", "cut.selva"))
