"""From a cue sheet to what is asked of the daemon."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

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
