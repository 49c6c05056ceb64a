"""REAPER items as runs of picture in exact time, and what is refused or warned about."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from selva_plugins.errors import FormError, HostError, NothingToRenderError, SnapshotError
from selva_plugins.hosts.reaper.adapter import prepare
from selva_plugins.hosts.reaper.snapshot import (
    ReaperItem,
    ReaperSnapshot,
    ReaperSource,
    ReaperSpan,
    ReaperTake,
    ReaperTrack,
    parse_snapshot,
)
from selva_plugins.hosts.reaper.timeline import (
    ItemSpan,
    PictureReader,
    build_clock,
    build_timeline,
    snap_seconds,
    stem_rate_hz,
)
from selva_plugins.request_folder import HostRequest

SNAPSHOT = ReaperSnapshot(
    project_name="film.rpp",
    frame_rate_hz=25.0,
    is_drop_frame=False,
    start_offset_s=0.0,
    sample_rate_hz=None,
    items=(),
    spans=(),
)
TRACK = ReaperTrack(guid="{T}", name="Video", number=1, is_muted=False)


def file_source(length_s: float = 10.0, kind: str = "VIDEO", file: str = "/media/a.mov") -> ReaperSource:
    return ReaperSource(
        kind=kind,
        file=file,
        length_s=length_s,
        length_is_quarter_notes=False,
        is_section=False,
        section_offset_s=0.0,
        section_length_s=0.0,
        is_reversed=False,
    )


def section(offset_s: float, length_s: float, *, is_reversed: bool = False) -> ReaperSource:
    return ReaperSource(
        kind="SECTION",
        file="",
        length_s=length_s,
        length_is_quarter_notes=False,
        is_section=True,
        section_offset_s=offset_s,
        section_length_s=length_s,
        is_reversed=is_reversed,
    )


def item_of(
    *sources: ReaperSource,
    position_s: float = 0.0,
    length_s: float = 4.0,
    start_offset_s: float = 0.0,
    play_rate: float = 1.0,
    loops: bool = False,
    track: ReaperTrack = TRACK,
    num_stretch_markers: int = 0,
    name: str = "a.mov",
) -> ReaperItem:
    take = ReaperTake(
        guid="{K}",
        name=name,
        recipe="",
        start_offset_s=start_offset_s,
        play_rate=play_rate,
        num_stretch_markers=num_stretch_markers,
        sources=sources or (file_source(),),
        picture_key="",
    )
    return ReaperItem(
        guid="{I}",
        track=track,
        position_s=position_s,
        length_s=length_s,
        loops=loops,
        is_muted=False,
        take=take,
        recipes=(),
    )


def read(*items: ReaperItem, **project: Any) -> tuple[list[ItemSpan], PictureReader]:
    snapshot = replace(SNAPSHOT, **project)
    reader = PictureReader(build_clock(snapshot), stem_rate_hz(snapshot))
    return reader.read(items), reader


def runs(stretches: list[ItemSpan]) -> list[tuple[Fraction, Fraction, Fraction, Fraction]]:
    return [(run.record_start_s, run.record_end_s, run.media_start_s, run.speed) for run in stretches]


NTSC = Fraction(24_000, 1001)


@pytest.mark.parametrize("frame", [0, 1, 7, 86_399, 86_400 * 24 + 5])
@pytest.mark.parametrize("rate", [NTSC, Fraction(25), Fraction(30_000, 1001), Fraction(60_000, 1001)])
def test_position_on_a_frame_is_that_frame(frame: int, rate: Fraction) -> None:
    clock = build_clock(replace(SNAPSHOT, frame_rate_hz=round(float(rate), 3)))
    assert clock.frame_rate_hz == rate
    through_a_project_file = float(f"{float(frame / rate):.14g}")
    assert snap_seconds(through_a_project_file, clock, 48_000) == frame / rate


def test_position_off_the_frames_is_its_sample_or_else_itself() -> None:
    clock = build_clock(SNAPSHOT)
    assert snap_seconds(12_345 / 48_000, clock, 48_000) == Fraction(12_345, 48_000)
    odd = snap_seconds(1.2345678901, clock, 48_000)
    assert abs(odd - Fraction(1.2345678901)) < Fraction(1, 10**12)
    assert odd.denominator <= 10_000_000


def test_start_offset_moves_labels_and_not_times() -> None:
    clock = build_clock(replace(SNAPSHOT, start_offset_s=3600.0, frame_rate_hz=23.976))
    assert clock.start_frame == 86_314
    stretches, _ = read(item_of(position_s=1.0), start_offset_s=3600.0)
    assert stretches[0].record_start_s == 1


def test_offset_and_rate_say_which_picture_is_seen() -> None:
    stretches, _ = read(item_of(position_s=2.0, length_s=3.0, start_offset_s=1.5, play_rate=2.0))
    assert runs(stretches) == [(2, 5, Fraction(3, 2), 2)]


def test_section_counts_from_its_own_start() -> None:
    stretches, _ = read(item_of(section(2.0, 5.0), file_source(), start_offset_s=1.0, length_s=3.0))
    assert runs(stretches) == [(0, 3, 3, 1)]


def test_section_in_a_section_adds_up() -> None:
    stretches, _ = read(item_of(section(1.0, 3.0), section(2.0, 6.0), file_source(), length_s=2.0))
    assert runs(stretches) == [(0, 2, 3, 1)]


def test_reversed_section_runs_back_from_its_end() -> None:
    reverse = section(2.0, 5.0, is_reversed=True)
    stretches, _ = read(item_of(reverse, file_source(), start_offset_s=1.0, length_s=2.0, play_rate=0.5))
    assert runs(stretches) == [(0, 2, 6, Fraction(-1, 2))]


def test_reversed_twice_runs_forward_again() -> None:
    outer = section(1.0, 3.0, is_reversed=True)
    inner = section(2.0, 5.0, is_reversed=True)
    stretches, _ = read(item_of(outer, inner, file_source(), length_s=3.0))
    assert runs(stretches) == [(0, 3, 3, 1)]


def test_loop_is_one_run_per_pass() -> None:
    stretches, _ = read(item_of(file_source(3.0), start_offset_s=2.0, length_s=6.0, loops=True))
    assert runs(stretches) == [(0, 1, 2, 1), (1, 4, 0, 1), (4, 6, 0, 1)]


def test_loop_begins_where_a_negative_offset_wraps_to() -> None:
    stretches, _ = read(item_of(file_source(3.0), start_offset_s=-1.0, length_s=2.0, loops=True))
    assert runs(stretches) == [(0, 1, 2, 1), (1, 2, 0, 1)]


def test_loop_of_thousands_of_passes_is_refused() -> None:
    stretches, reader = read(item_of(file_source(0.01), length_s=600.0, loops=True))
    assert stretches == []
    assert "loops more than 200 times" in reader.refused[0]


@pytest.mark.parametrize(
    ("start_offset_s", "length_s", "expected"),
    [(-1.0, 4.0, (1, 4, 0, 1)), (8.0, 4.0, (0, 2, 8, 1))],
    ids=["before the source", "past the source"],
)
def test_only_what_has_picture_gets_sound_and_the_user_is_told(
    start_offset_s: float, length_s: float, expected: tuple[int, ...]
) -> None:
    stretches, reader = read(item_of(start_offset_s=start_offset_s, length_s=length_s))
    assert runs(stretches) == [expected]
    assert "covers only a part of the item" in reader.warnings[0]


def test_item_a_hair_longer_than_its_file_is_no_news() -> None:
    _, reader = read(item_of(length_s=10.02))
    assert (reader.warnings, reader.refused) == ([], [])


def test_item_outside_its_source_is_refused() -> None:
    stretches, reader = read(item_of(start_offset_s=12.0))
    assert (stretches, "nothing of its source lies within" in reader.refused[0]) == ([], True)


def test_stretch_markers_are_warned_about() -> None:
    stretches, reader = read(item_of(num_stretch_markers=2))
    assert len(stretches) == 1
    assert "stretch markers" in reader.warnings[0]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (replace(item_of(), take=None), "it is empty"),
        (item_of(file_source(kind="WAVE", file="/a.wav")), "no picture (WAVE)"),
        (item_of(file_source(kind="MIDI", file="")), "no picture (MIDI)"),
        (item_of(file_source(kind="", file="")), "no picture (offline media)"),
        (item_of(section(0, 1), file_source(kind="WAVE", file="/a.wav")), "no picture (WAVE)"),
        (item_of(file_source(length_s=0.0)), "no length (offline, or a still)"),
        (item_of(length_s=0.0), "it has no length"),
    ],
)
def test_item_without_moving_picture_is_refused_by_name(item: ReaperItem, reason: str) -> None:
    stretches, reader = read(item)
    assert stretches == []
    assert reason in reader.refused[0]
    assert reader.refused[0].startswith(item.label)


def test_upper_track_is_on_top_and_muted_ones_are_below() -> None:
    tracks = [
        ReaperTrack(guid=f"{{{number}}}", name=name, number=number, is_muted=muted)
        for number, name, muted in ((1, "Top", False), (2, "Muted", True), (3, "Bottom", False))
    ]
    stretches, _ = read(*(item_of(track=track) for track in tracks))
    built = build_timeline(SNAPSHOT, stretches)
    assert [track.name for track in built.timeline.tracks] == ["2 Muted muted", "3 Bottom", "1 Top"]


def test_overlapping_items_of_a_track_lie_on_lanes_of_their_own() -> None:
    stretches, _ = read(item_of(position_s=0.0), item_of(position_s=2.0), item_of(position_s=4.0))
    built = build_timeline(SNAPSHOT, stretches)
    assert [[run.record_start_s for run in lane.stretches] for lane in built.lanes.values()] == [[0, 4], [2]]


# Requests --------------------------------------------------------------------------------------------------------------


def describe(item: ReaperItem) -> dict[str, Any]:
    """What the script would have written of an item."""
    take = item.take
    assert take is not None
    return {
        "guid": item.guid,
        "track": {
            "guid": item.track.guid,
            "name": item.track.name,
            "number": item.track.number,
            "muted": False,
        },
        "position_s": item.position_s,
        "length_s": item.length_s,
        "loops": item.loops,
        "muted": item.is_muted,
        "num_takes": 1,
        "recipes": list(item.recipes),
        "active_take": [
            {
                "guid": take.guid,
                "name": take.name,
                "recipe": take.recipe,
                "start_offset_s": take.start_offset_s,
                "play_rate": take.play_rate,
                "stretch_markers": take.num_stretch_markers,
                "picture_key": take.picture_key,
                "sources": [
                    {
                        "type": source.kind,
                        "file": source.file,
                        "length_s": source.length_s,
                        "length_is_quarter_notes": False,
                        "is_section": source.is_section,
                        "section_offset_s": source.section_offset_s,
                        "section_length_s": source.section_length_s,
                        "is_reversed": source.is_reversed,
                    }
                    for source in take.sources
                ],
            }
        ],
    }


def snapshot_text(*items: ReaperItem, spans: tuple[ReaperSpan, ...] = (), **changed: Any) -> str:
    return json.dumps(
        {
            "schema": "selva.snapshot/1",
            "host": "reaper",
            "host_version": "7.78/x64",
            "project": {
                "id": "{P}",
                "path": "/film.rpp",
                "name": "film.rpp",
                "frame_rate_hz": 25.0,
                "is_drop_frame": False,
                "start_offset_s": 0.0,
                "sample_rate_hz": 0,
            },
            "items": [describe(item) for item in items],
            "regions": [
                {
                    "name": span.name,
                    "is_region": span.is_region,
                    "number": 1,
                    "start_s": span.start_s,
                    "end_s": span.end_s,
                }
                for span in spans
            ],
            **changed,
        }
    )


def request_of(action: str, text: str, folder: Path, **form_values: object) -> HostRequest:
    return HostRequest(
        id="x",
        host="reaper",
        action=action,
        label="",
        script_version="0.1.0",
        script_folder="",
        form_values=form_values,
        stems_folder=folder,
        project_name="film.rpp",
        snapshot=text,
    )


def test_snapshot_reads_back_what_was_written() -> None:
    item = item_of(section(1.0, 2.0, is_reversed=True), file_source(), name='日本 "x"\n%s')
    span = ReaperSpan(name="Dog: bark", is_region=True, start_s=1.0, end_s=2.0)
    snapshot = parse_snapshot(snapshot_text(item, spans=(span,)))
    assert (snapshot.items, snapshot.spans, snapshot.sample_rate_hz) == ((item,), (span,), None)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"schema": "selva.snapshot/9"}, "schema"),
        ({"items": [{}]}, "items[0].track: this field is missing"),
        ({"regions": {}}, "regions: a list of 0 to"),
        ({"extra": 1}, "there is no such field"),
    ],
)
def test_faulty_snapshot_is_refused_by_field(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(SnapshotError) as refusal:
        parse_snapshot(snapshot_text(**changed))
    assert told in str(refusal.value)


def test_absurd_numbers_are_refused() -> None:
    for name, value in (("position_s", 1e30), ("length_s", float("nan")), ("position_s", "1")):
        text = json.loads(snapshot_text(item_of()))
        text["items"][0][name] = value
        with pytest.raises(SnapshotError):
            parse_snapshot(json.dumps(text))


def test_every_sound_is_a_cue_over_every_item_also_one_under_another(tmp_path: Path) -> None:
    lower = ReaperTrack(guid="{L}", name="Lower", number=2, is_muted=False)
    text = snapshot_text(item_of(), item_of(track=lower), item_of(position_s=8.0, name="b.mov"))
    request = request_of("items", text, tmp_path, sounds=["Dog: bark", "Steps: boots"], model="selva-echo")
    (task,) = prepare(request).tasks
    assert len(task.sheet.cues) == 6
    assert len({cue.id for cue in task.sheet.cues}) == 6


def test_wish_without_sounds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormError, match="name at least one sound"):
        prepare(request_of("items", snapshot_text(item_of()), tmp_path, sounds=[]))


def test_unknown_model_is_a_wrong_wish(tmp_path: Path) -> None:
    with pytest.raises(FormError, match="selva-huge"):
        prepare(
            request_of("items", snapshot_text(item_of()), tmp_path, sounds=["Dog: bark"], model="selva-huge")
        )


def test_regions_that_are_no_wishes_are_listed(tmp_path: Path) -> None:
    spans = (ReaperSpan(name="Act one", is_region=True, start_s=0.0, end_s=9.0),)
    with pytest.raises(NothingToRenderError, match="'Act one'"):
        prepare(request_of("regions", snapshot_text(item_of(), spans=spans), tmp_path))


def test_region_beside_the_picture_is_told(tmp_path: Path) -> None:
    spans = (
        ReaperSpan(name="Dog: bark", is_region=True, start_s=50.0, end_s=51.0),
        ReaperSpan(name="Bell: ring", is_region=True, start_s=1.0, end_s=2.0),
    )
    prepared = prepare(
        request_of("regions", snapshot_text(item_of(), spans=spans), tmp_path, model="selva-echo")
    )
    assert list(prepared.notices) == ["region 'Dog: bark' has no picture under it"]
    (cue,) = prepared.tasks[0].sheet.cues
    assert (cue.track, cue.clip.record_start_s, cue.clip.duration_s, cue.clip.media_start_s) == (
        "Bell",
        1,
        1,
        1,
    )


def test_two_regions_of_one_sound_on_one_item_are_two_cues(tmp_path: Path) -> None:
    spans = tuple(
        ReaperSpan(name="Dog: bark", is_region=True, start_s=start, end_s=start + 1.0) for start in (0.5, 2.5)
    )
    prepared = prepare(
        request_of("regions", snapshot_text(item_of(), spans=spans), tmp_path, model="selva-echo")
    )
    assert [cue.clip.record_start_s for cue in prepared.tasks[0].sheet.cues] == [
        Fraction(1, 2),
        Fraction(5, 2),
    ]


def test_stems_that_are_none_get_no_takes(tmp_path: Path) -> None:
    with pytest.raises(NothingToRenderError, match="Selva did not make its active take"):
        prepare(request_of("takes", snapshot_text(item_of()), tmp_path))


@pytest.mark.parametrize("recipe", ["{", "[]", '{"schema": "selva.recipe/1"}', '{"schema": "other"}'])
def test_recipe_that_was_tampered_with_is_refused(tmp_path: Path, recipe: str) -> None:
    item = item_of()
    assert item.take is not None
    item = replace(item, take=replace(item.take, recipe=recipe), recipes=(recipe,))
    with pytest.raises(NothingToRenderError, match="the recipe kept in the take"):
        prepare(request_of("takes", snapshot_text(item), tmp_path))


def test_unknown_action_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="an action is items, regions, takes or check"):
        prepare(request_of("dance", snapshot_text(item_of()), tmp_path))


@pytest.mark.parametrize("frame_rate_hz", [23.976, 25.0, 59.94])
def test_rationals_of_odd_items_fit_the_protocol(tmp_path: Path, frame_rate_hz: float) -> None:
    odd = item_of(
        position_s=10.123456789123, length_s=2.34567891, start_offset_s=0.7654321987, play_rate=1.059463094359
    )
    values = json.loads(snapshot_text(odd))
    values["project"]["frame_rate_hz"] = frame_rate_hz
    text = json.dumps(values)
    request = request_of("items", text, tmp_path, sounds=["Dog: bark"], model="selva-echo", handles_s="0.3")
    (task,) = prepare(request).tasks
    (cue,) = task.sheet.cues
    clip = cue.clip
    for value in (clip.sound_media_start_s, clip.sound_duration_s, clip.speed):
        assert value.denominator < 2**31


@pytest.mark.parametrize(
    ("names", "tracks"),
    [
        (["Scene 3: INT. HOUSE", "Dog: bark"], ["Dog"]),
        (["Dog: bark", "Selva Bell: ring"], ["Bell"]),
        (["Dog: bark", "Bell: ring"], ["Bell", "Dog"]),
    ],
    ids=["a note", "named for us", "all"],
)
def test_which_regions_count_is_the_rule_for_markers_everywhere(
    tmp_path: Path, names: list[str], tracks: list[str]
) -> None:
    spans = tuple(ReaperSpan(name=name, is_region=True, start_s=0.0, end_s=2.0) for name in names)
    prepared = prepare(
        request_of("regions", snapshot_text(item_of(), spans=spans), tmp_path, model="selva-echo")
    )
    assert sorted(cue.track for cue in prepared.tasks[0].sheet.cues) == tracks
