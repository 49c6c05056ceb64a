"""What of a watch folder is meant to be rendered."""

from __future__ import annotations

from pathlib import Path

from selva_render.watch.inbox import list_inbox


def test_files_that_mean_nothing_are_passed_over(tmp_path: Path) -> None:
    inbox = tmp_path
    for name in (
        ".hidden.selvaz",
        "~cut.otio",
        "alone.mov",
        "alone2.otio",
        "lonely.toml",
        "read me.txt",
        "a.wav",
        "a.csv",
    ):
        (inbox / name).write_bytes(b"x")
    (inbox / "empty.selva").mkdir()
    assert [item.path.name for item in list_inbox(inbox).items] == ["alone.mov", "alone2.otio"]
    (inbox / "lonely.mp4").write_bytes(b"x")
    (inbox / "Lonely.otio").write_bytes(b"x")
    assert [(item.kind, item.path.name, item.rivals) for item in list_inbox(inbox).items if item.cues] == [
        ("timeline", "Lonely.otio", ())
    ]
