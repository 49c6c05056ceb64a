"""Markers of clips, tracks and timelines that are cues."""

from __future__ import annotations

from fractions import Fraction

import opentimelineio as otio
import pytest

from selva_otio.cues.markers import parse_marker_cue
from tests.selva_otio.cues.spotted import DOG, build_marker, clips_of, cue_rows, spot
from tests.selva_otio.cuts import CutBuilder


def test_a_clip_marker_is_a_cue_over_its_range(cut: CutBuilder, timeline: otio.schema.Timeline) -> None:
    clips_of(timeline)[1].markers.append(build_marker(cut, "Dog: small dog barking", 86_400 + 30, 12))
    (cue,) = spot(timeline).cues
    assert cue_rows(spot(timeline)) == [("b", "Dog", "small dog barking", 70, 82)]
    assert (cue.clip.media_start_s, cue.source) == (Fraction(30, 24), "marker")


def test_a_marker_counted_from_the_clip_start_is_understood(
    cut: CutBuilder, timeline: otio.schema.Timeline
) -> None:
    clips_of(timeline)[1].markers.append(build_marker(cut, "Dog: barking", 6, 12))
    assert cue_rows(spot(timeline)) == [("b", "Dog", "barking", 66, 78)]


def test_a_marker_of_one_frame_is_a_cue_over_its_clip(
    cut: CutBuilder, timeline: otio.schema.Timeline
) -> None:
    clips_of(timeline)[0].markers.append(build_marker(cut, "Dog: barking", 86_400 + 20, 1))
    timeline.tracks.markers.append(build_marker(cut, "Rain: rain", 70, 0))
    assert cue_rows(spot(timeline)) == [("a", "Dog", "barking", 0, 48), ("b", "Rain", "rain", 60, 108)]


def test_a_timeline_marker_covers_every_clip_it_reaches(
    cut: CutBuilder, timeline: otio.schema.Timeline
) -> None:
    timeline.tracks.markers.append(build_marker(cut, "Rain: rain on tin", 36, 36))
    assert cue_rows(spot(timeline)) == [
        ("a", "Rain", "rain on tin", 36, 48),
        ("b", "Rain", "rain on tin", 60, 72),
    ]


def test_markers_follow_time_warps(cut: CutBuilder) -> None:
    clip = cut.clip("fast", offset=10, frames=24, speed=2.0)
    clip.markers.append(build_marker(cut, "Dog: barking", 86_400 + 20, 20))
    backwards = cut.clip("back", offset=10, frames=24, speed=-1.0)
    backwards.markers.append(build_marker(cut, "Dog: barking", 86_400 + 10, 6))
    sheet = spot(cut.timeline(cut.track(clip, backwards)))
    assert [row[3:] for row in cue_rows(sheet)] == [(5, 15), (24 + 18, 48)]


def test_markers_of_the_chosen_colour_exclude_the_others(
    cut: CutBuilder, timeline: otio.schema.Timeline
) -> None:
    clips = clips_of(timeline)
    clips[0].markers.append(build_marker(cut, "Door: creaks", 86_410, 48))
    clips[1].markers.append(build_marker(cut, "Dog: barking", 86_420, 48, colour="MAGENTA"))
    sheet = spot(timeline)
    assert [row[1] for row in cue_rows(sheet)] == ["Dog"]
    assert "1 read like cues" in sheet.warnings[0]
    assert [row[1] for row in cue_rows(spot(timeline, marker_colour="GREEN"))] == ["Door"]


def test_markers_can_be_ignored(cut: CutBuilder, timeline: otio.schema.Timeline) -> None:
    clips_of(timeline)[0].markers.append(build_marker(cut, "Door: creaks", 86_410, 48))
    assert [row[1] for row in cue_rows(spot(timeline, DOG, use_markers=False))] == ["Dog", "Dog"]
    assert [row[1] for row in cue_rows(spot(timeline, DOG))] == ["Dog", "Door", "Dog"]


@pytest.mark.parametrize(
    ("name", "comment", "note", "expected"),
    [
        ("Dog: small dog barking", "", "", ("Dog", "small dog barking", False)),
        ("Selva Dog: barking", "", "", ("Dog", "barking", True)),
        ("SELVA - SFX = door slams", "", "", ("SFX", "door slams", True)),
        ("Selva", "Dog: barking", "", ("Dog", "barking", True)),
        ("Marker 1", "", "Dog: barking", ("Dog", "barking", False)),
        ("Selva Note: anything", "", "", ("Note", "anything", True)),
        ("VFX: remove the rig", "", "", None),
        ("todo: fix", "", "", None),
        ("This is a long remark: yes", "", "", None),
        ("Dog:", "", "", None),
        ("Dog", "", "", None),
        ("", "", "", None),
    ],
)
def test_which_markers_read_like_cues(
    name: str, comment: str, note: str, expected: tuple[str, str, bool] | None
) -> None:
    marker = otio.schema.Marker(name=name, comment=comment, color="GREEN")
    marker.metadata["Resolve_OTIO"] = {"Note": note}
    found = parse_marker_cue(marker)
    assert (found and (found.stem_track.name, found.stem_track.prompt, found.is_explicit)) == expected


@pytest.mark.parametrize(
    ("name", "prompt", "negative_prompt"),
    [
        ("Dog: small dog barking | not: birds, wind", "small dog barking", "birds, wind"),
        ("Dog: small dog barking|NOT birds", "small dog barking", "birds"),
        ("Dog: barking | loud", "barking | loud", ""),
        ("Dog: not a sound", "not a sound", ""),
    ],
)
def test_a_marker_has_its_negative_prompt_after_a_bar(name: str, prompt: str, negative_prompt: str) -> None:
    found = parse_marker_cue(otio.schema.Marker(name=name))
    assert found is not None
    assert (found.stem_track.prompt, found.stem_track.negative_prompt) == (prompt, negative_prompt)
