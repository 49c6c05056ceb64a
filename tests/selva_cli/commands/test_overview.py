"""`selva overview`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.selva_cli.command_line import RunCommand


@pytest.mark.parametrize("name", ["cut.otio", "notes.md", "picture", "frame.jpg"])
def test_a_file_that_is_no_png_by_its_name_is_not_replaced_by_the_picture(
    selva: RunCommand, tmp_path: Path, name: str
) -> None:
    """`-o` with the name of the timeline itself replaced the timeline by its picture."""
    output = tmp_path / name
    output.write_text("work")
    status, _, errors = selva("overview", str(tmp_path / "cut.otio"), "-o", str(output))
    assert status == 1
    assert f"the picture is a PNG file; got {output}" in errors
    assert output.read_text() == "work"


@pytest.mark.parametrize("name", ["picture.png", "PICTURE.PNG"])
def test_a_png_is_accepted_as_the_name_of_the_picture(selva: RunCommand, tmp_path: Path, name: str) -> None:
    _, _, errors = selva("overview", str(tmp_path / "nonesuch.otio"), "-o", str(tmp_path / name))
    assert "nonesuch.otio" in errors  # the next thing that is looked at
    assert "PNG file" not in errors


def test_a_picture_of_the_users_is_not_replaced_and_one_of_ours_is(selva: RunCommand, tmp_path: Path) -> None:
    output = tmp_path / "still.png"
    output.write_bytes(b"\x89PNG\r\n\x1a\n a photograph")
    command = ("overview", str(tmp_path / "nonesuch.otio"), "-o", str(output))
    status, _, errors = selva(*command)
    assert status == 1
    assert "was not drawn by Selva" in errors
    assert output.read_bytes().endswith(b"a photograph")
    assert "nonesuch.otio" in selva(*command, "--replace")[2]  # the next thing that is looked at
    output.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\x15tEXtSoftware\0Selva Bridge")
    assert "nonesuch.otio" in selva(*command)[2]
