"""What `selva render` refuses, and how: one line, a status, nothing written."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_cli.commands.render_commands import iter_stem_notes
from tests.selva_cli.command_line import DOG, assert_refused, run
from tests.selva_otio.cuts import CutBuilder
from tests.support.flashes import write_cut

pytestmark = pytest.mark.usefixtures("no_daemon")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ((), "nothing says what to hear"),
        (("--track", "Dog"), "NAME=PROMPT"),
        (("--track", "Dog: barking"), "'Dog=barking'"),
        (("--track", "Dog="), "needs a prompt"),
        (("--track", "=barking"), "needs a name"),
        ((*DOG, "--track", "dog=another"), "two tracks are named"),
        ((*DOG, "--model", "selva-huge"), "no model is called 'selva-huge'"),
        ((*DOG, "--video-track", "V7"), "no video track is named 'V7'; there are 'V1'"),
        ((*DOG, "--takes", "0"), "takes are 1 to 64"),
        ((*DOG, "--seed", "-1"), "seed"),
        ((*DOG, "--sample-rate", "1"), "sample rate"),
        ((*DOG, "--steps", "0"), "steps"),
        ((*DOG, "--guidance", "-3"), "guidance"),
        ((*DOG, "--pan", "wide"), "a pan is one of off, envelope, stereo"),
        ((*DOG, "--pan-width", "2"), "a pan width is 0 to 1"),
        ((*DOG, "--handles", "long"), "a time is seconds"),
        ((*DOG, "--handles", "61"), "handles last 0 to 60 s"),
        (("--cues", "none.toml"), "cannot be read"),
    ],
)
def test_options_that_make_no_sense_are_refused(cut: Path, options: Sequence[str], text: str) -> None:
    before = sorted(os.listdir(cut.parent))
    assert_refused(run("render", cut, "-o", cut.parent / "out.otio", *options), text)
    assert sorted(os.listdir(cut.parent)) == before


@pytest.mark.parametrize("typed", [("--pan", "stereo"), ("--pan-width", "0.5"), ("--distance",)])
def test_pan_is_refused_for_a_host_whose_scripting_has_none(typed: tuple[str, ...]) -> None:
    result = run("render", "--host", "resolve", *DOG, *typed)
    assert result.exit_code == 2
    assert "sets no pan over time" in " ".join(result.stderr.replace("│", " ").split())
    plain = run("render", "--host", "resolve", *DOG, "--pan", "off", "--naming", "ucs")
    assert "pan over time" not in plain.stderr


def test_targets_that_cannot_be_written_are_refused(cut: Path) -> None:
    folder = cut.parent
    before = sorted(os.listdir(folder))
    assert_refused(run("render", cut, "-o", cut, *DOG), "never changed")
    assert_refused(run("render", cut, "-o", folder / "none" / "out.otio", *DOG), "there is no folder")
    assert_refused(run("render", cut, "-o", folder / "out.mp4", *DOG), "no known timeline format")
    stems = ("--stems-dir", folder / "shot.mov" / "stems")
    assert_refused(run("render", cut, "-o", folder / "out.otio", *DOG, *stems), "is a file, not a folder")
    assert sorted(os.listdir(folder)) == before


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="this user may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(cut: Path) -> None:
    locked = cut.parent / "locked"
    locked.mkdir(mode=0o500)
    assert_refused(run("render", cut, "-o", locked / "out.otio", *DOG), "cannot write into")


def clip_cut(folder: Path, *clips: otio.schema.Clip) -> Path:
    builder = CutBuilder(rate_hz=24.0)
    return write_cut(builder.timeline(builder.track(*clips)), folder / "cut.otio")


def test_timelines_without_usable_picture_are_refused(tmp_path: Path) -> None:
    builder = CutBuilder(rate_hz=24.0)
    out = tmp_path / "out.otio"
    empty = write_cut(otio.schema.Timeline("empty"), tmp_path / "empty.otio")
    assert_refused(run("render", empty, "-o", out, *DOG), "no video track")
    sound = otio.schema.Timeline("sound")
    sound.tracks.append(otio.schema.Track(kind=otio.schema.TrackKind.Audio))
    assert_refused(run("render", write_cut(sound, tmp_path / "sound.otio"), "-o", out, *DOG), "Audio tracks")
    offline = otio.schema.Clip("A001", otio.schema.MissingReference(), source_range=builder.span(0, 9))
    assert_refused(run("render", clip_cut(tmp_path, offline), "-o", out, *DOG), "'A001': offline")
    assert not out.exists()


def test_files_that_are_no_timelines_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.otio"
    assert_refused(run("render", tmp_path / "none.otio", "-o", out, *DOG), "there is no timeline")
    junk = tmp_path / "junk.otio"
    junk.write_bytes(b"\x00\x01")
    assert_refused(run("render", junk, "-o", out, *DOG), "junk.otio")


def test_with_json_a_refusal_is_one_object(cut: Path) -> None:
    result = run("render", cut, "-o", cut.parent / "out.otio", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["code"] == "timeline-cue"


def test_a_note_on_stems_names_the_clips_that_it_is_about() -> None:
    silent = "the stem is silent"
    warnings = [
        ("Dog", "hall", silent),
        ("Dog", "hall", silent),
        ("Bird", "yard", silent),
        ("Dog", "street", silent),
    ]
    assert list(iter_stem_notes(warnings, names_clips=True)) == [
        "note: Bird (yard): the stem is silent",
        "note: Dog (hall, street): the stem is silent",
    ]


def test_a_note_on_many_clips_counts_the_rest_and_one_clip_needs_no_name() -> None:
    many = [("Dog", f"clip {number}", "silent") for number in range(7)]
    assert list(iter_stem_notes(many, names_clips=True)) == [
        "note: Dog (clip 0, clip 1, clip 2, clip 3, 3 more): silent"
    ]
    assert list(iter_stem_notes(many[:1], names_clips=False)) == ["note: Dog: silent"]


def test_a_file_that_selva_did_not_write_is_refused_before_the_daemon_is_started(cut: Path) -> None:
    out = cut.parent / "mine.otio"
    out.write_text("work")
    assert_refused(
        run("render", cut, "-o", out, *DOG), "mine.otio exists already and was not written by Selva"
    )
    assert out.read_text() == "work"
    accepted = run("render", cut, "-o", out, *DOG, "--replace")
    assert isinstance(accepted.exception, AssertionError)  # the next step, which `no_daemon` forbids
