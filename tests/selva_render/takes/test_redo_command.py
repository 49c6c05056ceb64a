"""`selva redo` through a real daemon: of a file, and of a stem on a timeline, at the sample that its timecode names."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from selva_core.audio.stem_file import read_stem_file
from selva_otio import load_timeline
from selva_otio.formats.stem_metadata import iter_stems
from selva_otio.picture.media import resolve_media_path
from selva_otio.time.item_times import trimmed_start_s
from tests.selva_otio.cuts import RATES
from tests.selva_render.flashing_cuts import cut_builder, render, run
from tests.support.daemons import StartServer
from tests.support.flashes import click_samples, write_cut

CROSSOVER_S = Fraction(1, 10)


@pytest.fixture
def rendered(start_server: StartServer, tmp_path: Path) -> dict[str, Any]:
    """A cut at 29.97 drop-frame with one stem that has a second of handles, and the report on it."""
    start_server()
    cut = cut_builder(tmp_path, "29.97 drop")
    timeline = cut.timeline(cut.track(cut.gap(30), cut.clip("one", offset=30, frames=40)))
    source = write_cut(timeline, tmp_path / "cut.otio")
    report: dict[str, Any] = render(
        source, tmp_path / "out.otio", "--track", "Click=click", "--handles", "0.5"
    )
    return report


def changed(before: Path | str, after: Path | str) -> tuple[int, int]:
    """First and last sample that differ."""
    one, other = (soundfile.read(path, dtype="int32")[0] for path in (before, after))
    assert one.shape == other.shape
    where = np.flatnonzero(one != other)
    return int(where[0]), int(where[-1])


def test_a_stretch_between_timecodes_is_made_anew_and_plays_on_the_timeline(
    rendered: dict[str, Any], tmp_path: Path
) -> None:
    [stem] = rendered["stems"]
    before = (tmp_path / "out.otio").read_bytes()
    stretch = ("--from", "01:00:01;15", "--to", "01:00:01;25")
    redone = run("redo", stem["cue"], "--in", tmp_path / "out.otio", "-o", tmp_path / "new.otio", *stretch)
    assert (tmp_path / "out.otio").read_bytes() == before
    rate = RATES["29.97 drop"]
    file_start = stem["start_sample"] - stem["offset_samples"]
    expected = [int(frame / rate * 48_000 + Fraction(1, 2)) - file_start for frame in (45, 55)]
    assert [redone["start_sample"], redone["end_sample"]] == expected
    first, last = changed(stem["file"], redone["file"])
    assert expected[0] - CROSSOVER_S * 48_000 <= first
    assert last < expected[1] + CROSSOVER_S * 48_000
    [(clip, noted)] = iter_stems(load_timeline(tmp_path / "new.otio"))
    assert resolve_media_path(clip.media_reference.target_url, tmp_path) == Path(redone["file"])
    assert (noted["active_take"], redone["take"], redone["seed"]) == (2, 2, stem["seed"] + 1)


def test_the_file_alone_is_redone_at_the_same_samples(rendered: dict[str, Any], tmp_path: Path) -> None:
    [stem] = rendered["stems"]
    by_file = run("redo", stem["file"], "--from", "01:00:01;15", "--to", "01:00:01;25", "--prompt", "a bell")
    by_cue = run(
        "redo", stem["cue"], "--in", tmp_path / "out.otio", "--from", "01:00:01;15", "--to", "01:00:01;25"
    )
    assert (by_file["start_sample"], by_file["end_sample"]) == (by_cue["start_sample"], by_cue["end_sample"])
    assert by_file["timeline"] is None
    twice = run("redo", stem["file"], "--from", "01:00:01;15", "--to", "01:00:01;25")
    assert twice["seed"] == by_file["seed"] + 1
    seconds = run("redo", stem["file"], "--from", "0.25", "--to", "0.5", "--seed", "7")
    assert (seconds["start_sample"], seconds["end_sample"], seconds["seed"]) == (12_000, 24_000, 7)
    again = run("redo", seconds["file"], "--from", "1", "--to", "1.25")
    assert (again["take"], again["redone_from"]) == (seconds["take"] + 1, seconds["file"])


def test_what_cannot_be_redone_is_refused_with_what_is_there(
    rendered: dict[str, Any], tmp_path: Path
) -> None:
    [stem] = rendered["stems"]
    stretch = ("--from", "01:00:01;15", "--to", "01:00:01;25")
    unknown = run("redo", "no-cue", "--in", tmp_path / "out.otio", *stretch, status=1)
    assert stem["cue"] in unknown["error"]["message"]
    outside = run(
        "redo", stem["cue"], "--in", tmp_path / "out.otio", "--from", "0", "--to", "01:00:01;25", status=1
    )
    assert "from 01:00:01;00 to 01:00:02;10" in outside["error"]["message"]
    (tmp_path / "mine.otio").write_text("{}")
    taken = run(
        "redo", stem["cue"], "--in", tmp_path / "out.otio", "-o", tmp_path / "mine.otio", *stretch, status=1
    )
    assert "--replace" in taken["error"]["message"]
    empty = run("redo", stem["file"], "--from", "", "--to", "1", status=1)
    assert "or a timecode (00:00:12:12); got ''" in empty["error"]["message"]
    missing = run("redo", tmp_path / "gone.wav", "--from", "0", "--to", "1", status=1)
    assert "there is no file" in missing["error"]["message"]


def test_a_stem_goes_on_before_its_start_on_its_picture(rendered: dict[str, Any], tmp_path: Path) -> None:
    """The file begins at frame 16, 14 frames before its shot; 0.25 s more show the flash at frame 9 too."""
    [stem] = rendered["stems"]
    longer = run("redo", stem["file"], "--extend-head", "0.25", "--prompt", "louder clicks")
    assert (longer["extended_head_samples"], longer["extended_tail_samples"]) == (12_000, 0)
    assert longer["num_samples"] == stem["num_samples"] + 12_000
    before, after = (soundfile.read(each["file"], dtype="int32")[0] for each in (stem, longer))
    assert np.array_equal(after[12_000 + 4_800 :], before[4_800:])
    rate = RATES["29.97 drop"]
    flash = int(12_000 - (16 - 9) / rate * 48_000 + Fraction(1, 2))
    assert abs(click_samples(Path(longer["file"]))[0] - flash) <= 1
    old, new = (read_stem_file(Path(each["file"])) for each in (stem, longer))
    assert old.time_reference_samples is not None
    assert new.time_reference_samples == old.time_reference_samples - 12_000
    assert [label.start_sample for label in new.labels] == [
        label.start_sample + 12_000 for label in old.labels
    ]
    assert new.provenance["file_start_timecode"] == "01:00:00;08"
    again = run("redo", longer["file"], "--from", "01:00:01;15", "--to", "01:00:01;25")
    assert again["start_sample"] == 12_000 + int((45 - 16) / rate * 48_000 + Fraction(1, 2))


def test_a_longer_take_is_heard_where_its_stem_was(rendered: dict[str, Any], tmp_path: Path) -> None:
    [stem] = rendered["stems"]
    longer = run(
        "redo",
        stem["cue"],
        "--in",
        tmp_path / "out.otio",
        "-o",
        tmp_path / "new.otio",
        "--extend-head",
        "0.25",
    )
    timelines = [load_timeline(tmp_path / name) for name in ("out.otio", "new.otio")]
    [(before, _)], [(after, noted)] = (list(iter_stems(timeline)) for timeline in timelines)
    assert resolve_media_path(after.media_reference.target_url, tmp_path) == Path(longer["file"])
    assert after.range_in_parent() == before.range_in_parent()
    starts = [trimmed_start_s(each) for each in (before, after)]
    assert starts[1] - starts[0] == Fraction(1, 4)
    assert noted["offset_samples"] == stem["offset_samples"] + 12_000
    references = after.media_references()
    assert references["take_1"].available_range.start_time.to_seconds() == 0.25
    assert references["take_2"].available_range.start_time.to_seconds() == 0
    back = run(
        "redo", stem["cue"], "--in", tmp_path / "new.otio", "--from", "01:00:01;15", "--to", "01:00:01;25"
    )
    first = stem["start_sample"] - stem["offset_samples"] - 12_000
    rate = RATES["29.97 drop"]
    assert back["start_sample"] == int(45 / rate * 48_000 + Fraction(1, 2)) - first


def test_what_a_stem_cannot_be_extended_by_is_refused_with_what_it_can(
    rendered: dict[str, Any], tmp_path: Path
) -> None:
    [stem] = rendered["stems"]
    too_far = run("redo", stem["file"], "--extend-head", "0.6", status=1)
    assert "0.533 s before what the stem was made for" in too_far["error"]["message"]
    nothing = run("redo", stem["file"], "--extend-tail", "0", status=1)
    assert "more than 0 s" in nothing["error"]["message"]
    timecode = run("redo", stem["file"], "--extend-tail", "00:00:01:00", status=1)
    assert "seconds (12.5) or a fraction (1001/24000); got '00:00:01:00'" in timecode["error"]["message"]
    folder = run("redo", tmp_path, "--extend-tail", "1", status=1)
    assert "is a folder; name the file of one stem" in folder["error"]["message"]
