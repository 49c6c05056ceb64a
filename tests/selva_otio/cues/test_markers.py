"""Markers of clips, tracks and timelines that are cues."""

from __future__ import annotations

from fractions import Fraction

import opentimelineio as otio
import pytest

from selva_otio.cues.markers import parse_marker_cue
from selva_otio.errors import CueError
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
    "name",
    [
        "Director: make this shorter",
        "v2: new cut",
        "Reel: A001",
        "Status: done",
        "Regie: bitte kürzen",
        "Réalisateur : plus court",
        "Client: too loud here",
        "Bob: do we need it?",
        "JD: should be tighter",
        "@ana: nice moment",
        "Take 3: good",
        "http://example.org/shot",
        "see https://example.org",
        "mailto:ana@example.org",
        "10:32:11 pickup",
        "TC 10:32:11 pickup",
        "10;32;11;04 = pickup",
        "C:\\footage\\shot.mov",
        "Aspect: 16:9",
        "Scene 3: INT. HOUSE",
        "Режиссёр: звук потише",
        "監督: 犬",
        "导演\uff1a短一点",
        "مخرج: هذا",
    ],
)
def test_notes_addresses_and_times_are_no_cues(name: str) -> None:
    assert parse_marker_cue(otio.schema.Marker(name=name, color="GREEN")) is None


@pytest.mark.parametrize(
    ("name", "track", "prompt"),
    [
        ("Dog:barking", "Dog", "barking"),
        ("SFX = door slams", "SFX", "door slams"),
        ("Amb 1: wind in trees", "Amb 1", "wind in trees"),
        ("Dog 2: two barks at 10:32", "Dog 2", "two barks at 10:32"),
        ("Car: starts and drives away", "Car", "starts and drives away"),
        ("Footsteps: 3 steps, too heavy for a cat", "Footsteps", "3 steps, too heavy for a cat"),
        ("Tin: can opens", "Tin", "can opens"),
        ("犬: 吠える", "犬", "吠える"),
    ],
)
def test_what_describes_a_sound_stays_a_cue(name: str, track: str, prompt: str) -> None:
    found = parse_marker_cue(otio.schema.Marker(name=name, color="GREEN"))
    assert found is not None
    assert (found.stem_track.name, found.stem_track.prompt) == (track, prompt)


def test_a_wide_colon_separates_a_track_from_a_prompt() -> None:
    found = parse_marker_cue(otio.schema.Marker(name="犬\uff1a小さな犬が吠える", color="GREEN"))
    assert found is not None
    assert (found.stem_track.name, found.stem_track.prompt) == ("犬", "小さな犬が吠える")


def test_a_note_beside_a_cue_in_the_same_marker_does_not_hide_it() -> None:
    found = parse_marker_cue(otio.schema.Marker(name="Client: too loud here", comment="Dog: barking"))
    assert found is not None
    assert found.stem_track.name == "Dog"


def test_markers_taken_for_notes_are_reported_and_a_prefix_makes_them_cues(
    cut: CutBuilder, timeline: otio.schema.Timeline
) -> None:
    clips = clips_of(timeline)
    clips[0].markers.append(build_marker(cut, "Dog: barking", 86_410, 48))
    clips[1].markers.append(build_marker(cut, "Client: too loud here", 86_420, 48))
    sheet = spot(timeline)
    assert [row[1] for row in cue_rows(sheet)] == ["Dog"]
    assert any("'Client: too loud here'" in warning for warning in sheet.warnings)
    clips[1].markers[0].name = "Selva Client: too loud here"
    assert [row[1] for row in cue_rows(spot(timeline))] == ["Client"]


def test_a_colour_that_is_named_excludes_all_other_markers(
    cut: CutBuilder, timeline: otio.schema.Timeline
) -> None:
    clips_of(timeline)[0].markers.append(build_marker(cut, "Door: creaks", 86_410, 48))
    sheet = spot(timeline, DOG, marker_colour="cyan")
    assert {row[1] for row in cue_rows(sheet)} == {"Dog"}
    assert "neither the colour cyan" in sheet.warnings[0]


def test_a_colour_that_no_marker_can_have_is_refused(cut: CutBuilder, timeline: otio.schema.Timeline) -> None:
    clips_of(timeline)[0].markers.append(build_marker(cut, "Door: creaks", 86_410, 48, colour="TEAL"))
    with pytest.raises(CueError, match="did you mean 'MAGENTA'"):
        spot(timeline, DOG, marker_colour="MAGENTAA")
    assert "Door" in [row[1] for row in cue_rows(spot(timeline, marker_colour="teal"))]
    assert spot(timeline, DOG, marker_colour="MAGENTAA", use_markers=False).cues


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


def test_a_marker_on_a_nest_is_a_cue_on_the_clips_in_it(cut: CutBuilder) -> None:
    """The nest plays its frames 10 to 58 from frame 20 of the timeline on; its first clip ends at its frame 34."""
    nest = cut.nest(
        cut.track(cut.clip("a", offset=0, frames=34), cut.clip("b", offset=0, frames=60)), trim=(10, 48)
    )
    nest.markers.extend([build_marker(cut, "Dog: barking", 30, 12), build_marker(cut, "Rain: rain", 40, 1)])
    timeline = cut.timeline(
        cut.track(cut.clip("x", offset=0, frames=20), nest, cut.clip("y", offset=0, frames=20))
    )
    assert cue_rows(spot(timeline)) == [
        ("a", "Dog", "barking", 40, 44),
        ("b", "Dog", "barking", 44, 52),
        ("b", "Rain", "rain", 44, 68),
    ]


def test_a_marker_on_a_nest_follows_its_speed(cut: CutBuilder) -> None:
    nest = cut.nest(cut.track(cut.clip("a", offset=0, frames=100)), trim=(10, 30))
    nest.effects.append(otio.schema.LinearTimeWarp(time_scalar=2.0))
    nest.markers.append(build_marker(cut, "Dog: barking", 30, 12))
    assert cue_rows(spot(cut.timeline(cut.track(nest)))) == [("a", "Dog", "barking", 10, 16)]


def test_a_marker_on_something_that_shows_nothing_is_reported(cut: CutBuilder) -> None:
    hidden, gap = cut.clip("hidden", offset=0, frames=20), cut.gap(20)
    hidden.enabled = False
    for item in (hidden, gap):
        item.markers.append(build_marker(cut, "Dog: barking", 5, 4))
    sheet = spot(cut.timeline(cut.track(hidden, gap, cut.clip("a", offset=0, frames=20))), DOG)
    assert [
        warning for warning in sheet.warnings if "2 are on titles, gaps or clips that are not seen" in warning
    ]
    seen = spot(cut.timeline(cut.track(cut.clip("a", offset=0, frames=20))), DOG)
    assert seen.warnings == ()


@pytest.mark.parametrize("namespace", ["fcp7_xml", "fcpxml", "Resolve_OTIO", "PremierePro_OTIO"])
def test_a_marker_outside_of_what_a_clip_uses_is_no_cue_where_the_host_is_known(
    cut: CutBuilder, timeline: otio.schema.Timeline, namespace: str
) -> None:
    """Premiere writes all markers of a clip's media; taken from the clip's first frame, this one would be seen."""
    clips_of(timeline)[1].markers.append(build_marker(cut, "Dog: barking", 6, 12))
    assert cue_rows(spot(timeline)) == [("b", "Dog", "barking", 66, 78)]
    timeline.metadata[namespace] = {}
    assert spot(timeline, DOG).tracks == (DOG.name,)
    assert [cue.source for cue in spot(timeline, DOG).cues if cue.source == "marker"] == []
