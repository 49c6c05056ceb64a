"""A media file without a cut: its clock and labels, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from selva_otio import StemTrack
from selva_render import media
from selva_render.media import spot_media
from selva_render.media_process import probe_media_in_process

MEDIA = Path(__file__).parents[1] / "data" / "media"
DOG = (StemTrack(name="Dog", prompt="dog"),)


def test_drop_frame_timecode_of_a_phone_at_30_frames_a_second_is_continued() -> None:
    sheet = spot_media(MEDIA / "tc_30df.mov", DOG)
    assert sheet.clock.timecode(Fraction(0)) == "16:37:10;02"
    assert sheet.clock.timecode(Fraction(1)) == "16:37:11;02"
    assert sheet.warnings == ()


def test_stem_after_midnight_counts_from_midnight() -> None:
    sheet = spot_media(MEDIA / "tc_24.mov", DOG, start="3")
    [clip] = sheet.clips
    assert sheet.clock.timecode(clip.record_start_s) == "00:00:01:00"
    assert sheet.clock.since_midnight_s(clip.record_start_s) == 1


def test_variable_rate_is_reported_with_the_rate_of_its_labels() -> None:
    sheet = spot_media(MEDIA / "vfr_screen.mp4", DOG)
    assert sheet.clock.frame_rate_hz == 30
    assert "variable frame rate" in sheet.warnings[0]


def test_embedded_label_that_does_not_exist_at_the_rate_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = probe_media_in_process
    monkeypatch.setattr(
        media, "probe_media_in_process", lambda path: replace(probe(path), timecode="01:00:00;29")
    )
    sheet = spot_media(MEDIA / "tc_24.mov", DOG)
    assert "01:00:00;29" in sheet.warnings[0]
    assert sheet.clock.timecode(Fraction(0)) == "00:00:00:00"
