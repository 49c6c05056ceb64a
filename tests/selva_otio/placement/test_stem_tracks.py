"""A second render of a timeline that has stems: they are replaced, except where an editor has changed them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import PlacementResult, SpotOptions, Stem, StemTrack, measure_span, place_stems, spot_timeline
from tests.selva_otio.cuts import CutBuilder

STEMS = Path("/stems").absolute()


def render(
    timeline: otio.schema.Timeline,
    run: str,
    names: Sequence[str] = ("Dog", "Rain"),
    *,
    failing: Sequence[str] = (),
    takes: int = 1,
) -> PlacementResult:
    """Place a stem for every cue; file names tell the run. `failing`: clips that get no stems."""
    tracks = [StemTrack(name=name, prompt=f"{name} in run {run}") for name in names]
    options = SpotOptions(use_markers=False)
    sheet = spot_timeline(timeline, tracks, base_folder=Path("/cuts"), options=options)
    stems = [
        Stem(
            cue=cue.id,
            take=take,
            seed=take,
            file=STEMS / f"{cue.track}-{cue.clip.name}-{run}-{take}.wav",
            sample_rate_hz=48_000,
            num_samples=measure_span(cue.clip, sheet.clock, 48_000).num_samples,
        )
        for cue in sheet.cues
        if cue.clip.name not in failing
        for take in range(1, takes + 1)
    ]
    return place_stems(timeline, sheet, stems)


def layout(timeline: otio.schema.Timeline) -> dict[str, list[tuple[str, float, float]]]:
    """Track name to (file stem, record start, record end) of its clips; tracks of one name follow one another."""
    found: dict[str, list[tuple[str, float, float]]] = {}
    for track in timeline.tracks:
        if track.kind != otio.schema.TrackKind.Audio:
            continue
        rows = found.setdefault(track.name, [])
        for clip in track.find_clips():
            span = clip.transformed_time_range(clip.trimmed_range(), timeline.tracks)
            stem = Path(clip.media_reference.target_url).stem
            rows.append((stem, span.start_time.value, span.end_time_exclusive().value))
    return found


def audio_track(timeline: otio.schema.Timeline, name: str) -> otio.schema.Track:
    return next(
        track for track in timeline.tracks if track.name == name and track.kind == otio.schema.TrackKind.Audio
    )


@pytest.fixture
def cut(cut_at_24: CutBuilder) -> CutBuilder:
    return cut_at_24


@pytest.fixture
def timeline(cut: CutBuilder) -> otio.schema.Timeline:
    return cut.timeline(
        cut.track(cut.clip("a", offset=0, frames=20), cut.gap(5), cut.clip("b", offset=50, frames=30))
    )


def test_untouched_stems_are_replaced_in_place(timeline: otio.schema.Timeline) -> None:
    first = render(timeline, "one").timeline
    again = render(first, "two")
    assert again.edited_cues == ()
    assert [track.name for track in again.timeline.tracks] == ["V1", "Dog", "Rain"]
    assert layout(again.timeline) == {
        "Dog": [("Dog-a-two-1", 0, 20), ("Dog-b-two-1", 25, 55)],
        "Rain": [("Rain-a-two-1", 0, 20), ("Rain-b-two-1", 25, 55)],
    }
    assert layout(first)["Dog"][0][0] == "Dog-a-one-1"


@pytest.mark.parametrize("folder", ["file:///elsewhere/", "media/", "file:///C:/film/stems/"])
def test_stems_whose_files_were_moved_are_replaced(timeline: otio.schema.Timeline, folder: str) -> None:
    moved = render(timeline, "one").timeline
    for name in ("Dog", "Rain"):
        for clip in audio_track(moved, name).find_clips():
            reference = clip.media_reference
            reference.target_url = folder + reference.target_url.rpartition("/")[2]
    other = audio_track(moved, "Rain")[0].media_reference
    other.target_url = folder + "another.wav"
    again = render(moved, "two")
    assert layout(again.timeline)["Dog"] == [("Dog-a-two-1", 0, 20), ("Dog-b-two-1", 25, 55)]
    assert [cue.clip.name for cue in again.edited_cues] == ["a"], (
        "the twin: another file is an editor's choice"
    )


def test_rendering_one_track_leaves_the_other_alone(timeline: otio.schema.Timeline) -> None:
    first = render(timeline, "one").timeline
    again = render(first, "two", ["Rain"]).timeline
    assert [row[0] for row in layout(again)["Dog"]] == ["Dog-a-one-1", "Dog-b-one-1"]
    assert [row[0] for row in layout(again)["Rain"]] == ["Rain-a-two-1", "Rain-b-two-1"]


def mute(track: otio.schema.Track) -> None:
    track[0].enabled = False


def trim(track: otio.schema.Track) -> None:
    rate_hz = track[0].source_range.duration.rate
    track[0].source_range = otio.opentime.TimeRange(
        otio.opentime.RationalTime(0, rate_hz), otio.opentime.RationalTime(15, rate_hz)
    )
    track[1].source_range = otio.opentime.TimeRange(
        otio.opentime.RationalTime(0, rate_hz), otio.opentime.RationalTime(10, rate_hz)
    )


def slip(track: otio.schema.Track) -> None:
    rate_hz = track[0].source_range.duration.rate
    track[0].source_range = otio.opentime.TimeRange(
        otio.opentime.RationalTime(4, rate_hz), track[0].source_range.duration
    )


def move(track: otio.schema.Track) -> None:
    rate_hz = track[0].source_range.duration.rate
    gap = otio.opentime.TimeRange(
        otio.opentime.RationalTime(0, rate_hz), otio.opentime.RationalTime(3, rate_hz)
    )
    track.insert(0, otio.schema.Gap(source_range=gap))
    track[2].source_range = otio.opentime.TimeRange(
        otio.opentime.RationalTime(0, rate_hz), otio.opentime.RationalTime(2, rate_hz)
    )


def add_gain(track: otio.schema.Track) -> None:
    track[0].effects.append(otio.schema.Effect(effect_name="Gain"))


def choose_another_take(track: otio.schema.Track) -> None:
    track[0].active_media_reference_key = "take_2"


@pytest.mark.parametrize("edit", [mute, trim, slip, move, add_gain, choose_another_take])
def test_a_stem_that_an_editor_changed_stays_as_it_is(timeline: otio.schema.Timeline, edit: object) -> None:
    first = render(timeline, "one", takes=2).timeline
    assert callable(edit)
    edit(audio_track(first, "Dog"))
    edited = layout(first)["Dog"][0]
    again = render(first, "two", takes=2)
    assert layout(again.timeline)["Dog"] == [edited, ("Dog-b-two-1", 25, 55)]
    assert [(cue.track, cue.clip.name) for cue in again.edited_cues] == [("Dog", "a")]
    assert layout(again.timeline)["Rain"][0][0] == "Rain-a-two-1"


@pytest.mark.parametrize(
    ("noted", "is_replaced"),
    [
        ([0, 1], True),
        ([0, 7], True),
        ([1, 1000], True),  # less than half a frame
        ([1, 24], False),
        ([0, 0], False),
        ([0, 1, 1], False),
        ([0.0, 1], False),
        ([False, 1], False),
        ({"0": 0, "1": 1}, False),
        ("01", False),
        ([], False),
        (None, False),
    ],
)
def test_a_stem_whose_noted_start_is_no_time_or_another_is_taken_for_the_editors(
    timeline: otio.schema.Timeline, noted: object, is_replaced: bool
) -> None:
    first = render(timeline, "one").timeline
    audio_track(first, "Dog")[0].metadata["selva"]["record_start_s"] = noted
    again = render(first, "two")
    assert (layout(again.timeline)["Dog"][0][0] == "Dog-a-two-1") is is_replaced


def test_a_stem_follows_its_picture_when_the_cut_moves(
    cut: CutBuilder, timeline: otio.schema.Timeline
) -> None:
    first = render(timeline, "one").timeline
    first.tracks[0].insert(0, cut.gap(100))
    again = render(first, "two").timeline
    assert layout(again)["Dog"] == [("Dog-a-two-1", 100, 120), ("Dog-b-two-1", 125, 155)]


def test_stems_of_clips_that_were_removed_are_removed(timeline: otio.schema.Timeline) -> None:
    first = render(timeline, "one").timeline
    del first.tracks[0][2]
    assert layout(render(first, "two").timeline)["Dog"] == [("Dog-a-two-1", 0, 20)]


def test_the_old_stem_stays_where_the_new_one_could_not_be_made(timeline: otio.schema.Timeline) -> None:
    first = render(timeline, "one").timeline
    again = render(first, "two", failing=["a"]).timeline
    assert layout(again)["Dog"] == [("Dog-a-one-1", 0, 20), ("Dog-b-two-1", 25, 55)]


def test_an_editors_clip_on_a_stem_track_is_never_covered(
    cut: CutBuilder, timeline: otio.schema.Timeline
) -> None:
    first = render(timeline, "one").timeline
    track = audio_track(first, "Dog")
    own = otio.schema.Clip(
        "library bark", cut.media("file:///library/bark.wav"), source_range=cut.span(0, 20)
    )
    track[0] = own
    again = render(first, "two").timeline
    assert [found.name for found in again.tracks] == ["V1", "Dog", "Dog", "Rain"]
    assert layout(again)["Dog"] == [("bark", 0, 20), ("Dog-b-two-1", 25, 55), ("Dog-a-two-1", 0, 20)]


def test_renamed_muted_and_reordered_stem_tracks_stay_so(timeline: otio.schema.Timeline) -> None:
    first = render(timeline, "one").timeline
    track = audio_track(first, "Dog")
    track.name = "Doggy (final)"
    track.enabled = False
    track.metadata["studio"] = {"colour": "blue"}
    rain = first.tracks[2]
    del first.tracks[2]
    first.tracks.insert(0, rain)
    again = render(first, "two").timeline
    assert [found.name for found in again.tracks] == ["Rain", "V1", "Doggy (final)"]
    assert not again.tracks[2].enabled
    assert again.tracks[2].metadata["studio"]["colour"] == "blue"
    assert layout(again)["Doggy (final)"][0][0] == "Dog-a-two-1"


def test_a_stem_track_with_an_editors_cross_fades_is_left_alone(
    cut: CutBuilder, timeline: otio.schema.Timeline
) -> None:
    timeline.tracks[0].remove(timeline.tracks[0][1])
    first = render(timeline, "one").timeline
    audio_track(first, "Dog").insert(1, cut.dissolve(2, 2))
    before = audio_track(first, "Dog").to_json_string()
    again = render(first, "two")
    found = [track for track in again.timeline.tracks if track.name == "Dog"]
    assert len(found) == 1
    found[0].metadata["selva"] = audio_track(first, "Dog").metadata["selva"]
    assert found[0].to_json_string() == before
    assert {cue.track for cue in again.edited_cues} == {"Dog"}


def test_three_renders_in_a_row_add_no_tracks(timeline: otio.schema.Timeline) -> None:
    once = render(timeline, "one").timeline
    thrice = render(render(once, "two").timeline, "one").timeline
    assert thrice.to_json_string() == once.to_json_string()


def test_a_copy_that_an_editor_made_stays_beside_the_new_stem(
    timeline: otio.schema.Timeline, cut: CutBuilder
) -> None:
    first = render(timeline, "one", ("Dog",)).timeline
    track = audio_track(first, "Dog")
    copied = next(iter(track.find_clips())).clone()
    track.extend([cut.gap(10), copied])
    again = render(first, "two", ("Dog",))
    assert again.edited_cues == ()
    assert layout(again.timeline)["Dog"] == [
        ("Dog-a-two-1", 0, 20),
        ("Dog-b-two-1", 25, 55),
        ("Dog-a-one-1", 65, 85),
    ]
