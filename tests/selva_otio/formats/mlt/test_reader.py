"""Kdenlive projects, as Kdenlive before and after 23.04 writes them, and plain MLT XML."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from selva_otio import load_timeline
from selva_otio.errors import TimelineReadError
from selva_otio.formats.mlt import reader
from tests.selva_otio.round_trips import seen, spot

PROFILE = '<profile frame_rate_num="24000" frame_rate_den="1001" width="1920" height="1080"/>'


def properties(**values: object) -> str:
    return "".join(
        f'<property name="{name.replace("__", ":")}">{value}</property>' for name, value in values.items()
    )


def media(name: str, path: str, *, length: int = 2000, tag: str = "chain", **more: object) -> str:
    values = {"length": length, "resource": path, "mlt_service": "avformat-novalidate", **more}
    return f'<{tag} id="{name}" out="{length - 1}">{properties(**values)}</{tag}>'


def load(
    folder: Path, body: str, *, head: str = 'producer="main_bin"', profile: str = PROFILE
) -> otio.schema.Timeline:
    path = folder / "cut.kdenlive"
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?><mlt LC_NUMERIC="C" {head} version="7.28.0">{profile}{body}</mlt>',
        encoding="utf-8",
    )
    return load_timeline(path)


def shots(timeline: otio.schema.Timeline) -> list[tuple[Any, ...]]:
    """Name, and first frame, frames, first media frame and speed of what is seen, frames of the project."""
    rate = Fraction(24000, 1001)
    found = [
        (name, start * rate, length * rate, offset * rate, speed)
        for name, _, start, length, offset, speed, _ in seen(spot(timeline))
    ]
    assert all(value.denominator == 1 for shot in found for value in shot[1:4])
    return [
        (name, int(start), int(length), int(offset), speed) for name, start, length, offset, speed in found
    ]


V1 = (
    '<playlist id="p0"><entry producer="a" in="00:00:01.543" out="00:00:06.507">'
    '<property name="kdenlive:id">2</property></entry><blank length="00:00:00.292"/>'
    '<entry producer="b" in="5" out="44"/></playlist><playlist id="p1"/>'
    '<tractor id="t0"><property name="kdenlive:track_name">Picture</property>'
    '<track hide="audio" producer="p0"/><track hide="audio" producer="p1"/></tractor>'
)
A1 = (
    '<playlist id="q0"><property name="kdenlive:audio_track">1</property><entry producer="w" in="0" out="23"/></playlist>'
    '<playlist id="q1"/><tractor id="t1"><property name="kdenlive:audio_track">1</property>'
    '<property name="kdenlive:track_name">Sound</property>'
    '<track hide="video" producer="q0"/><track hide="video" producer="q1"/></tractor>'
)
MEDIA = media("a", "/m/a b#1.mov") + media("b", "footage/b.mov") + media("w", "/m/w.wav", tag="producer")
BLACK = '<producer id="black_track"><property name="mlt_service">color</property></producer>'
BIN = (
    '<playlist id="main_bin"><property name="kdenlive:docproperties.guides">'
    '[{"comment":"Rain: rain on a roof","pos":40,"duration":50,"type":0}]</property></playlist>'
)
MARKED = media(
    "bin_a", "/m/a.mov", kdenlive__id=2, kdenlive__markers='[{"comment":"Dog: a dog","pos":50,"type":1}]'
)
NEW = (
    '<tractor id="{0a1b}" out="167"><property name="kdenlive:uuid">{0a1b}</property><track producer="black_track"/>'
    '<track producer="t1"/><track producer="t0"/></tractor>'
    f"{BIN}"
    '<tractor id="tractor9"><property name="kdenlive:projectTractor">1</property><track producer="{0a1b}"/></tractor>'
)
OLD = (
    f'{BIN}<tractor id="m" global_feed="1"><track producer="black_track"/>'
    '<track producer="t1"/><track producer="t0"/></tractor>'
)


@pytest.mark.parametrize("sequence", [OLD, NEW], ids=["before 23.04", "since 23.04"])
def test_clips_are_on_their_frames_and_keep_their_length(tmp_path: Path, sequence: str) -> None:
    body = MEDIA + V1 + A1 + BLACK + sequence.replace(BIN, '<playlist id="main_bin"/>')
    timeline = load(tmp_path, body, head='root="/project" producer="main_bin"')
    assert [(track.name, track.kind) for track in timeline.tracks] == [
        ("Picture", "Video"),
        ("Sound", "Audio"),
    ]
    # 1.543 s is frame 37, 6.507 s frame 156: 120 frames; then 7 frames of gap
    assert shots(timeline) == [("a b#1.mov", 0, 120, 37, 1), ("b.mov", 127, 40, 5, 1)]
    assert [clip.media_path for clip in spot(timeline).clips] == [
        Path("/m/a b#1.mov"),
        Path("/project/footage/b.mov"),
    ]
    (sound,) = timeline.tracks[1]
    assert sound.source_range.duration.value == 24


def test_guides_and_clip_markers_are_read_as_cues(tmp_path: Path) -> None:
    timeline = load(tmp_path, MEDIA + MARKED + V1 + A1 + BLACK + NEW)
    (guide,) = timeline.tracks.markers
    assert (guide.name, guide.marked_range.start_time.value, guide.marked_range.duration.value) == (
        "Rain: rain on a roof",
        40,
        50,
    )
    first = next(iter(timeline.tracks[0].find_clips()))
    assert [(marker.name, marker.marked_range.start_time.value) for marker in first.markers] == [
        ("Dog: a dog", 50)
    ]


def one_clip(entry: str, parts: str) -> str:
    return f'{parts}<playlist id="p">{entry}</playlist><tractor id="m"><track hide="audio" producer="p"/></tractor>'


def test_retimed_reversed_and_frozen_clips_show_what_they_show_in_melt(tmp_path: Path) -> None:
    fast = media(
        "x",
        "/m/a.mov",
        length=1000,
        tag="producer",
        mlt_service="timewarp",
        warp_speed=2,
        warp_resource="/m/a.mov",
    )
    timeline = load(tmp_path, one_clip('<entry producer="x" in="10" out="39"/>', fast))
    assert shots(timeline) == [("a.mov", 0, 30, 20, 2)]
    back = media("x", "-1:/m/a.mov", length=72, tag="producer", mlt_service="timewarp")
    timeline = load(tmp_path, one_clip('<entry producer="x" in="35" out="64"/>', back))
    assert shots(timeline)[0][1:] == (0, 30, 36, -1)  # frames 36 down to 7
    freeze = properties(mlt_service="freeze", frame=77)
    still = f'<entry producer="a" in="0" out="9"><filter>{freeze}</filter></entry>'
    timeline = load(tmp_path, one_clip(still, MEDIA))
    assert shots(timeline)[0][1:] == (0, 10, 77, 0)


def test_a_dissolve_on_one_track_overlaps_its_clips(tmp_path: Path) -> None:
    track = (
        '<playlist id="p0"><entry producer="a" in="100" out="149"/></playlist>'
        '<playlist id="p1"><blank length="40"/><entry producer="b" in="200" out="249"/></playlist>'
        '<tractor id="t0"><track hide="audio" producer="p0"/><track hide="audio" producer="p1"/></tractor>'
        '<tractor id="m"><track producer="t0"/></tractor>'
    )
    assert shots(load(tmp_path, MEDIA + track)) == [("a b#1.mov", 0, 50, 100, 1), ("b.mov", 40, 50, 200, 1)]


def test_a_sequence_inside_a_sequence_is_a_nest(tmp_path: Path) -> None:
    inner = (
        '<playlist id="i0"><entry producer="a" in="10" out="29"/><entry producer="b" in="0" out="29"/></playlist>'
        '<tractor id="{inner}"><property name="kdenlive:uuid">{inner}</property><track producer="i0"/></tractor>'
    )
    outer = '<playlist id="p"><blank length="3"/><entry producer="{inner}" in="15" out="34"/></playlist>'
    timeline = load(tmp_path, MEDIA + inner + outer + '<tractor id="m"><track producer="p"/></tractor>')
    assert shots(timeline) == [("a b#1.mov", 3, 5, 25, 1), ("b.mov", 8, 15, 0, 1)]


def test_colour_producers_titles_and_disabled_clips_show_no_media(tmp_path: Path) -> None:
    parts = (
        media("c", "0xff0000ff", mlt_service="color", tag="producer")
        + media("t", "", mlt_service="kdenlivetitle", tag="producer")
        + media("o", "/m/o.mov", set__test_image=1)
        .replace("set:test_image", "set.test_image")
        .replace("</chain>", '<property name="set.test_audio">1</property></chain>')
        + MEDIA
    )
    entries = "".join(f'<entry producer="{name}" in="0" out="9"/>' for name in "ctoa")
    timeline = load(tmp_path, one_clip(entries, parts))
    assert shots(timeline) == [("a b#1.mov", 30, 10, 0, 1)]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "no timeline"),
        (one_clip('<entry producer="a" in="9" out="2"/>', MEDIA), "ends .* before it starts"),
        (one_clip('<entry producer="a" in="-99999999999999" out="2"/>', MEDIA), "is not a time"),
        (one_clip('<entry producer="a" in="9" out="soon"/>', MEDIA), "is not a time"),
        (
            one_clip('<entry producer="a" in="0" out="9"/>', media("a", "/m/a.mov", warp_speed="fast")),
            "is a number; got",
        ),
        (one_clip('<entry producer="m" in="0" out="9"/>', ""), "contains itself"),
    ],
)
def test_invalid_files_are_refused_with_a_reason(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(TimelineReadError, match=message):
        load(tmp_path, body)


@pytest.mark.parametrize("rate", ["0/1", "24/0", "-24/1", "1e9/1", "99999999/1", ""])
def test_frame_rates_out_of_range_are_refused(tmp_path: Path, rate: str) -> None:
    number, _, divisor = rate.partition("/")
    profile = f'<profile frame_rate_num="{number}" frame_rate_den="{divisor}"/>'
    with pytest.raises(TimelineReadError, match="is not allowed"):
        load(tmp_path, one_clip('<entry producer="a" in="0" out="9"/>', MEDIA), profile=profile)
    with pytest.raises(TimelineReadError, match="no profile"):
        load(tmp_path, one_clip('<entry producer="a" in="0" out="9"/>', MEDIA), profile="")


def test_an_entity_bomb_and_a_truncated_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.kdenlive"
    path.write_text('<!DOCTYPE mlt [<!ENTITY a "b">]><mlt>&a;</mlt>')
    with pytest.raises(TimelineReadError, match="entities"):
        load_timeline(path)
    load(tmp_path, MEDIA + V1 + A1 + BLACK + NEW)
    text = (tmp_path / "cut.kdenlive").read_text()
    for length in range(0, len(text) - 1, 211):
        path.write_text(text[:length])
        with pytest.raises(TimelineReadError, match="not well-formed XML"):
            load_timeline(path)


def test_sequences_that_multiply_are_refused_in_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_ITEMS", 2_000)
    levels = ""
    for level in range(8):
        entries = (
            f'<entry producer="t{level - 1}" in="0" out="9"/>' * 10
            if level
            else '<entry producer="a" in="0" out="9"/>'
        )
        levels += f'<playlist id="p{level}">{entries}</playlist><tractor id="t{level}"><track producer="p{level}"/></tractor>'
    with pytest.raises(TimelineReadError, match="opens to more than 2000 clips"):
        load(tmp_path, MEDIA + levels)


def test_ten_thousand_clips_are_read(tmp_path: Path) -> None:
    entries = "".join(
        f'<entry producer="a" in="{number % 90}" out="{number % 90}"/>' for number in range(10_000)
    )
    timeline = load(tmp_path, one_clip(entries, MEDIA))
    assert len(timeline.tracks[0]) == 10_000
    assert timeline.tracks[0].duration().value == 10_000
