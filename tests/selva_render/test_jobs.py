"""From a cue sheet to what is asked of the daemon."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_core.base.render_options import RenderOptions
from selva_core.base.schema import MAX_DENOMINATOR
from selva_otio import StemTrack, spot_timeline
from selva_render.jobs import build_jobs
from selva_render.options import OutputOptions
from tests.selva_otio.cuts import CutBuilder

OPTIONS = RenderOptions(model="selva-nano")
OUTPUT = OutputOptions(stems_folder=Path("/stems").absolute())


def test_a_retime_of_odd_speed_makes_times_that_a_job_can_carry() -> None:
    cut = CutBuilder(rate_hz=24000 / 1001, media_start_frame=172_800)
    nest = cut.nest(cut.track(cut.clip("a", offset=1001, frames=970, speed=0.99991)), trim=(3, 500))
    nest.effects.append(otio.schema.LinearTimeWarp(time_scalar=1.23457))
    timeline = cut.timeline(cut.track(cut.gap(7), nest))
    sheet = spot_timeline(timeline, [StemTrack(name="Dog", prompt="bark")], base_folder=Path("/"))
    (job,) = build_jobs(sheet, OPTIONS, OUTPUT, timeline_name="cut")
    media, clip = job.request.media, job.clip
    assert clip.picture_speed.denominator > MAX_DENOMINATOR
    for carried, exact in ((media.start_s, clip.picture_start_s), (media.speed, clip.picture_speed)):
        assert carried.denominator <= MAX_DENOMINATOR
        assert abs(carried - exact) < Fraction(1, 10**9)


def test_times_on_frames_are_carried_as_they_are() -> None:
    cut = CutBuilder(rate_hz=24000 / 1001, media_start_frame=172_800)
    timeline = cut.timeline(cut.track(cut.clip("a", offset=13, frames=97)))
    sheet = spot_timeline(timeline, [StemTrack(name="Dog", prompt="bark")], base_folder=Path("/"))
    (job,) = build_jobs(sheet, OPTIONS, OUTPUT, timeline_name="cut")
    assert job.request.media.start_s == Fraction(13 * 1001, 24000)
    assert job.request.media.duration_s == Fraction(97 * 1001, 24000)


def test_links_are_followed_once_for_each_file_however_many_clips_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time asks the disk for every folder of the path, which for 10,000 clips was a quarter of making their jobs."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    cut = CutBuilder(rate_hz=24.0, media_url=(tmp_path / "link" / "a.mov").as_uri())
    timeline = cut.timeline(
        cut.track(*(cut.clip(str(number), offset=number, frames=5) for number in range(9)))
    )
    sheet = spot_timeline(timeline, [StemTrack(name="Dog", prompt="bark")], base_folder=tmp_path)
    resolved: list[Path] = []
    resolve = Path.resolve

    def count(path: Path, strict: bool = False) -> Path:
        resolved.append(path)
        return resolve(path, strict=strict)

    monkeypatch.setattr(Path, "resolve", count)
    jobs = build_jobs(sheet, OPTIONS, OUTPUT, timeline_name="cut")
    assert {job.request.media.path for job in jobs} == {resolve(tmp_path / "real") / "a.mov"}
    assert len(jobs) == 9
    assert resolved.count(tmp_path / "link" / "a.mov") == 1
    assert resolved.count(OUTPUT.stems_folder) == 1
