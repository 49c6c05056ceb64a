"""Stems lie on the sample: from a cut of flashing clips to WAV files whose clicks are measured, through a real daemon."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from selva_otio import load_timeline, write_timeline
from selva_otio.picture.media import resolve_media_path
from selva_otio.timelines import open_timeline
from tests.selva_otio.cuts import RATES
from tests.selva_render.flashing_cuts import (
    FLASHES,
    NUM_FRAMES,
    at_samples,
    cut_builder,
    flashes_seen,
    record_clicks,
    render,
    run,
)
from tests.support.daemons import StartServer
from tests.support.flashes import write_cut, write_flashing_clip


@pytest.mark.parametrize(
    ("sample_rate_hz", "rate_names"), [(48_000, list(RATES)), (44_100, ["23.976", "29.97 drop"])]
)
def test_clicks_lie_where_the_flashes_are_seen_at_every_rate(
    start_server: StartServer, tmp_path: Path, sample_rate_hz: int, rate_names: list[str]
) -> None:
    start_server()
    for rate_name in rate_names:
        rate = RATES[rate_name]
        folder = tmp_path / rate_name.replace(" ", "-")
        folder.mkdir()
        cut = cut_builder(folder, rate_name)
        timeline = cut.timeline(
            cut.track(
                cut.gap(13),
                cut.clip("one", offset=7, frames=30),
                cut.gap(5),
                cut.clip("two", offset=0, frames=25),
                cut.clip("three", offset=40, frames=1),
                cut.clip("four", offset=41, frames=31),
            )
        )
        source = write_cut(timeline, folder / "cut.otio")
        report = render(
            source, folder / "out.otio", "--track", "Click=click", "--sample-rate", str(sample_rate_hz)
        )
        places = {"one": (13, 7, 30), "two": (48, 0, 25), "three": (73, 40, 1), "four": (74, 41, 31)}
        assert [stem["clip"] for stem in report["stems"]] == list(places)
        for stem in report["stems"]:
            record, offset, frames = places[stem["clip"]]
            first, end = at_samples([Fraction(record), Fraction(record + frames)], rate, sample_rate_hz)
            assert Fraction(*stem["record_start"]) == record / rate, rate_name
            assert (stem["start_sample"], stem["num_samples"]) == (first, end - first), rate_name
            expected = at_samples(
                flashes_seen(record=record, offset=offset, frames=frames), rate, sample_rate_hz
            )
            found = record_clicks(stem)
            assert len(found) == len(expected), (rate_name, stem["clip"])
            assert all(abs(a - b) <= 1 for a, b in zip(found, expected, strict=True)), (
                rate_name,
                stem["clip"],
            )


@pytest.mark.parametrize("speed", [Fraction(2), Fraction(1, 2), Fraction(-1), Fraction(-2), Fraction(3, 4)])
def test_clicks_follow_time_warps(start_server: StartServer, tmp_path: Path, speed: Fraction) -> None:
    start_server()
    rate = RATES["23.976"]
    cut = cut_builder(tmp_path, "23.976")
    clip = cut.clip("warped", offset=4, frames=24, speed=float(speed))
    source = write_cut(cut.timeline(cut.track(cut.gap(3), clip)), tmp_path / "cut.otio")
    (stem,) = render(source, tmp_path / "out.otio", "--track", "Click=click")["stems"]
    expected = at_samples(flashes_seen(record=3, offset=4, frames=24, speed=speed), rate)
    found = record_clicks(stem)
    assert len(expected) > 0
    assert len(found) == len(expected)
    assert all(abs(a - b) <= 1 for a, b in zip(found, expected, strict=True))


def test_a_freeze_frame_never_clicks_and_is_as_long_as_it_is_seen(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    cut = cut_builder(tmp_path, "25")
    source = write_cut(
        cut.timeline(cut.track(cut.clip("still", offset=9, frames=20, speed=0.0))), tmp_path / "cut.otio"
    )
    (stem,) = render(source, tmp_path / "out.otio", "--track", "Click=click")["stems"]
    assert record_clicks(stem) == []
    assert stem["num_samples"] == 20 * 1920


def test_handles_put_sound_before_and_after_without_moving_the_clicks(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    rate = RATES["25"]
    cut = cut_builder(tmp_path, "25")
    track = cut.track(cut.gap(13), cut.clip("one", offset=7, frames=30))
    source = write_cut(cut.timeline(track), tmp_path / "cut.otio")
    out = tmp_path / "out.otio"
    (stem,) = render(source, out, "--track", "Click=click", "--handles", "1")["stems"]
    assert stem["offset_samples"] == 7 * 1920
    assert stem["num_samples"] == (7 + 30 + 25) * 1920
    assert record_clicks(stem) == at_samples(flashes_seen(record=6, offset=0, frames=62), rate)
    placed = load_timeline(out)
    (item,) = placed.tracks[1].find_clips()
    assert item.source_range == cut.span(7, 30)
    assert item.media_reference.available_range == cut.span(0, 62)


@pytest.mark.parametrize("suffix", [".otioz", ".otiod", ".rpp", ".fcpxml"])
def test_a_cut_of_another_kind_gets_its_stems_in_its_own_kind(
    start_server: StartServer, tmp_path: Path, suffix: str
) -> None:
    start_server()
    cut = cut_builder(tmp_path, "24")
    timeline = cut.timeline(cut.track(cut.gap(13), cut.clip("one", offset=7, frames=30)))
    source, out = tmp_path / f"cut{suffix}", tmp_path / f"out{suffix}"
    write_timeline(timeline, source)
    (stem,) = render(source, out, "--track", "Click=click")["stems"]
    assert record_clicks(stem) == at_samples(flashes_seen(record=13, offset=7, frames=30), Fraction(24))
    with open_timeline(out) as opened:
        track = next(track for track in opened.timeline.tracks if track.name == "Click")
        (clip,) = track.find_clips()
        file = resolve_media_path(clip.media_reference.target_url, opened.base_folder)
        assert file.read_bytes() == Path(stem["file"]).read_bytes()
        start = clip.transformed_time_range(clip.trimmed_range(), opened.timeline.tracks).start_time
        assert start.to_seconds() == pytest.approx(13 / 24, abs=1e-6)


def test_a_bare_file_gets_stems_from_in_to_out(start_server: StartServer, tmp_path: Path) -> None:
    start_server()
    video = write_flashing_clip(
        tmp_path / "shot.mov", rate=Fraction(25), num_frames=NUM_FRAMES, flashes=FLASHES
    )
    report = run(
        *("stems", video, "-o", tmp_path / "stems", "--track", "Click=click", "--model", "selva-echo"),
        *("--start", "8/25", "--end", "00:00:02:00"),
    )
    (stem,) = report["stems"]
    assert stem["num_samples"] == 42 * 1920
    assert report["timeline"] is None
    assert record_clicks(stem) == at_samples(flashes_seen(record=8, offset=8, frames=42), Fraction(25))
    (whole,) = run(
        "stems", video, "-o", tmp_path / "whole", "--track", "Click=click", "--model", "selva-echo"
    )["stems"]
    assert whole["num_samples"] == NUM_FRAMES * 1920
