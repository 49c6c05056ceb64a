"""Pictures of every kind through the whole way: the clicks of the stems lie where the flashes are seen."""

from __future__ import annotations

import json
from collections.abc import Collection
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import opentimelineio as otio
import pytest
from typer.testing import CliRunner

from selva_cli.app import app
from tests.selva_otio.cuts import CutBuilder
from tests.support.daemons import StartServer
from tests.support.flashes import click_samples, write_cut, write_flashing_clip, write_flashing_images

FILM = Fraction(24000, 1001)
SAMPLES_PER_FRAME = 2002
FLASHES = (5, 17, 40)


def run(*arguments: str | Path, status: int = 0) -> Any:
    options = ["--model", "selva-echo", "--track", "Click=click", "--json"]
    result = CliRunner().invoke(app, [*map(str, arguments), *options])
    assert result.exit_code == status, result.stderr
    return json.loads(result.stdout)


def clicks_of(stem: dict[str, Any]) -> list[int]:
    """In samples after the timeline's start."""
    first = stem["start_sample"] - stem["offset_samples"]
    return [first + at for at in click_samples(Path(stem["file"]))]


def assert_near(found: list[int], expected: list[int]) -> None:
    assert len(found) == len(expected) > 0
    assert all(abs(a - b) <= 1 for a, b in zip(found, expected, strict=True)), (found, expected)


@pytest.mark.parametrize("name", ["plate.%04d.png", "plate.[1001-1048].png", "plate.####.png"])
def test_bare_images_are_rendered_by_the_ways_people_name_them(
    start_server: StartServer, tmp_path: Path, name: str
) -> None:
    start_server()
    write_flashing_images(tmp_path / "in", range(1001, 1049), flashes=[1001 + flash for flash in FLASHES])
    report = run("stems", tmp_path / "in" / name, "-o", tmp_path / "stems", "--frame-rate", "23.976")
    [stem] = report["stems"]
    assert stem["num_samples"] == 48 * SAMPLES_PER_FRAME
    assert_near(clicks_of(stem), [flash * SAMPLES_PER_FRAME for flash in FLASHES])
    assert Path(stem["file"]).name.startswith("Click_plate_t01_")


def write_cut_of_images(hour: int, path: Path) -> Path:
    """60 images whose timecode begins at `hour` (frames): plain, at double speed, in reverse, and one of them frozen."""
    cut = CutBuilder(rate_hz=float(FILM), start_frame=hour)
    reference = otio.schema.ImageSequenceReference(
        target_url_base="in/",
        name_prefix="plate.",
        name_suffix=".png",
        start_frame=hour,
        rate=float(FILM),
        frame_zero_padding=4,
        available_range=cut.span(hour, 60),
    )
    plain = otio.schema.Clip("plain", media_reference=reference, source_range=cut.span(hour + 3, 20))
    warped = otio.schema.Clip(
        "warped", media_reference=reference.clone(), source_range=cut.span(hour + 2, 24)
    )
    warped.effects.append(otio.schema.LinearTimeWarp(time_scalar=2.0))
    reverse = otio.schema.Clip("reverse", media_reference=reference.clone(), source_range=cut.span(hour, 50))
    reverse.effects.append(otio.schema.LinearTimeWarp(time_scalar=-1.0))
    freeze = otio.schema.Clip(
        "freeze", media_reference=reference.clone(), source_range=cut.span(hour + 5, 10)
    )
    freeze.effects.append(otio.schema.FreezeFrame())
    return write_cut(cut.timeline(cut.track(cut.gap(4), plain, warped, reverse, freeze)), path)


def test_images_on_a_timeline_are_seen_with_their_trim_warp_and_timecode(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    hour = 86_400
    write_flashing_images(
        tmp_path / "in", range(hour, hour + 60), flashes=[hour + flash for flash in FLASHES]
    )
    source = write_cut_of_images(hour, tmp_path / "cut.otio")
    report = run("render", source, "-o", tmp_path / "out.otio")
    assert report["failed"] == []
    stems = {stem["clip"]: stem for stem in report["stems"]}
    frames: dict[str, list[Fraction | int]] = {
        "plain": [4 + 5 - 3, 4 + 17 - 3],
        "warped": [24 + Fraction(5 - 2, 2), 24 + Fraction(17 - 2, 2), 24 + Fraction(40 - 2, 2)],
        "reverse": [48 + 49 - 40, 48 + 49 - 17, 48 + 49 - 5],
    }
    for clip, seen in frames.items():
        assert_near(clicks_of(stems[clip]), [int(frame * SAMPLES_PER_FRAME) for frame in seen])
    assert clicks_of(stems["freeze"]) == []
    assert stems["freeze"]["num_samples"] == 10 * SAMPLES_PER_FRAME


def test_a_hole_in_the_images_fails_its_clip_unless_it_is_held(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    there = [number for number in range(1, 49) if number not in (20, 21)]
    path = write_flashing_images(tmp_path / "in", there, flashes=[19, 30])
    arguments: list[str | Path] = ["stems", path, "-o", tmp_path / "stems", "--frame-rate", "24000/1001"]
    report = run(*arguments, status=1)
    [failed] = report["failed"]
    assert failed["code"] == "media-not-found"
    assert "plate.0020.png is missing (2 of the 48 that are shown are)" in failed["message"]
    for policy in ("hold", "black"):
        [stem] = run(*arguments, "--missing-images", policy)["stems"]
        assert_near(clicks_of(stem), [18 * SAMPLES_PER_FRAME, 29 * SAMPLES_PER_FRAME])


def test_images_that_were_rendered_again_are_looked_at_again(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    path = write_flashing_images(tmp_path / "in", range(30), flashes=[10])
    arguments: list[str | Path] = ["stems", path, "-o", tmp_path / "stems", "--frame-rate", "24000/1001"]
    [first], [again] = (run(*arguments)["stems"] for _ in range(2))
    assert (first["cached"], again["cached"]) == (False, True)
    write_flashing_images(tmp_path / "in", [20], flashes=[20])
    [changed] = run(*arguments)["stems"]
    assert not changed["cached"]
    assert_near(clicks_of(changed), [10 * SAMPLES_PER_FRAME, 20 * SAMPLES_PER_FRAME])
    assert changed["file"] != first["file"]


def test_stems_of_images_that_are_transparent_in_places_say_that_black_was_looked_at(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    path = write_flashing_images(tmp_path / "in", range(20), flashes=[10])
    arguments: list[str | Path] = ["stems", path, "-o", tmp_path / "stems"]
    [opaque] = run(*arguments)["stems"]
    assert not any("transparent" in line for line in opaque["warnings"])
    transparent = np.zeros((48, 64, 4), np.uint8)
    codec = av.CodecContext.create("png", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt, codec.time_base = 64, 48, "rgba", Fraction(1, 25)
    packets = codec.encode(av.VideoFrame.from_ndarray(transparent, format="rgba"))
    path.with_name(path.name % 0).write_bytes(b"".join(map(bytes, [*packets, *codec.encode(None)])))
    for is_cached in (False, True):
        [stem] = run(*arguments)["stems"]
        assert stem["cached"] == is_cached
        assert any("is transparent in places" in line for line in stem["warnings"])


def test_images_that_are_not_there_are_missing_media(start_server: StartServer, tmp_path: Path) -> None:
    start_server()
    cut = CutBuilder(rate_hz=25, media_url=(tmp_path / "gone.%04d.png").as_uri())
    source = write_cut(cut.timeline(cut.track(cut.clip("gone", offset=0, frames=20))), tmp_path / "cut.otio")
    [failed] = run("render", source, "-o", tmp_path / "out.otio", status=1)["failed"]
    assert (failed["clip"], failed["code"]) == ("gone", "media-not-found")
    assert "gone.%04d.png" in failed["message"]


def test_a_wrong_frame_rate_or_policy_is_refused_before_anything_runs(tmp_path: Path) -> None:
    path = write_flashing_images(tmp_path / "in", range(3), flashes=[])
    stems: list[str | Path] = ["stems", path, "-o", tmp_path / "stems"]
    assert "frame rate" in run(*stems, "--frame-rate", "fast", status=1)["error"]["message"]
    assert "hold" in run(*stems, "--missing-images", "guess", status=1)["error"]["message"]


@pytest.mark.parametrize("active", ["proxy", "original"])
def test_of_several_references_the_active_one_is_looked_at(
    start_server: StartServer, tmp_path: Path, active: str
) -> None:
    start_server()
    flashes = {"proxy": 6, "original": 15}
    cut = CutBuilder(rate_hz=25)
    clip = cut.clip("shot", offset=0, frames=30)
    references = {}
    for name, flash in flashes.items():
        path = write_flashing_clip(
            tmp_path / f"{name}.mov", rate=Fraction(25), num_frames=30, flashes={flash}
        )
        references[name] = otio.schema.ExternalReference(
            target_url=path.as_uri(), available_range=cut.span(0, 30)
        )
    clip.set_media_references(references, active)
    source = write_cut(cut.timeline(cut.track(clip)), tmp_path / "cut.otio")
    [stem] = run("render", source, "-o", tmp_path / "out.otio")["stems"]
    assert_near(clicks_of(stem), [flashes[active] * 1920])


def write_uneven_clip(path: Path, *, shown_at_ms: list[int], flashes: Collection[int]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for index, at_ms in enumerate(shown_at_ms):
            level = 255 if index in flashes else 0
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="rgb24")
            frame.pts, frame.time_base = at_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_variable_frame_rate_clicks_by_its_time_stamps(start_server: StartServer, tmp_path: Path) -> None:
    start_server()
    shown_at_ms = [0, 33, 200, 210, 215, 480, 503, 901, 1007, 1700, 1733, 1980]
    path = write_uneven_clip(tmp_path / "vfr.mkv", shown_at_ms=shown_at_ms, flashes={2, 6, 9})
    cut = CutBuilder(rate_hz=25, media_num_frames=49, media_url=path.as_uri())
    source = write_cut(
        cut.timeline(cut.track(cut.gap(5), cut.clip("vfr", offset=2, frames=45))), tmp_path / "c.otio"
    )
    [stem] = run("render", source, "-o", tmp_path / "out.otio")["stems"]
    assert_near(clicks_of(stem), [(120 + at) * 48 for at in (200, 503, 1700)])
