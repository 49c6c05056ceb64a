"""REAPER items as spans of picture in exact time, and what is refused or warned about."""

from __future__ import annotations

from fractions import Fraction

import pytest
from msgspec.structs import replace

from selva_plugins.hosts.reaper.item_spans import ItemSpan, snap_seconds
from selva_plugins.hosts.reaper.snapshot import (
    ReaperItem,
)
from selva_plugins.hosts.reaper.timeline import build_clock
from tests.selva_plugins.reaper.snapshots import file_source, item_of, read_spans, section, snapshot_of


def ranges(spans: list[ItemSpan]) -> list[tuple[Fraction | int, ...]]:
    """Record start, record end, media start and speed of each span."""
    return [(span.record_start_s, span.record_end_s, span.media_start_s, span.speed) for span in spans]


NTSC = Fraction(24_000, 1001)


@pytest.mark.parametrize("frame", [0, 1, 7, 86_399, 86_400 * 24 + 5])
@pytest.mark.parametrize("rate", [NTSC, Fraction(25), Fraction(30_000, 1001), Fraction(60_000, 1001)])
def test_position_on_a_frame_is_that_frame(frame: int, rate: Fraction) -> None:
    clock = build_clock(snapshot_of(frame_rate_hz=round(float(rate), 3)))
    assert clock.frame_rate_hz == rate
    through_a_project_file = float(f"{float(frame / rate):.14g}")
    assert snap_seconds(through_a_project_file, clock, 48_000) == frame / rate


def test_position_off_the_frames_is_its_sample_or_else_itself() -> None:
    clock = build_clock(snapshot_of())
    assert snap_seconds(12_345 / 48_000, clock, 48_000) == Fraction(12_345, 48_000)
    odd = snap_seconds(1.2345678901, clock, 48_000)
    assert abs(odd - Fraction(1.2345678901)) < Fraction(1, 10**12)
    assert odd.denominator <= 10_000_000


def test_start_offset_moves_labels_and_not_times() -> None:
    clock = build_clock(snapshot_of(start_offset_s=3600.0, frame_rate_hz=23.976))
    assert clock.start_frame == 86_314
    spans, _ = read_spans(item_of(position_s=1.0), start_offset_s=3600.0)
    assert spans[0].record_start_s == 1


def test_offset_and_rate_say_which_picture_is_seen() -> None:
    spans, _ = read_spans(item_of(position_s=2.0, length_s=3.0, start_offset_s=1.5, play_rate=2.0))
    assert ranges(spans) == [(2, 5, Fraction(3, 2), 2)]


def test_section_counts_from_its_own_start() -> None:
    spans, _ = read_spans(item_of(section(2.0, 5.0), file_source(), start_offset_s=1.0, length_s=3.0))
    assert ranges(spans) == [(0, 3, 3, 1)]


def test_section_in_a_section_adds_up() -> None:
    spans, _ = read_spans(item_of(section(1.0, 3.0), section(2.0, 6.0), file_source(), length_s=2.0))
    assert ranges(spans) == [(0, 2, 3, 1)]


def test_reversed_section_runs_back_from_its_end() -> None:
    reverse = section(2.0, 5.0, is_reversed=True)
    spans, _ = read_spans(item_of(reverse, file_source(), start_offset_s=1.0, length_s=2.0, play_rate=0.5))
    assert ranges(spans) == [(0, 2, 6, Fraction(-1, 2))]


def test_reversed_twice_runs_forward_again() -> None:
    outer = section(1.0, 3.0, is_reversed=True)
    inner = section(2.0, 5.0, is_reversed=True)
    spans, _ = read_spans(item_of(outer, inner, file_source(), length_s=3.0))
    assert ranges(spans) == [(0, 3, 3, 1)]


def test_loop_is_one_span_per_pass() -> None:
    spans, _ = read_spans(item_of(file_source(3.0), start_offset_s=2.0, length_s=6.0, loops=True))
    assert ranges(spans) == [(0, 1, 2, 1), (1, 4, 0, 1), (4, 6, 0, 1)]


def test_loop_begins_where_a_negative_offset_wraps_to() -> None:
    spans, _ = read_spans(item_of(file_source(3.0), start_offset_s=-1.0, length_s=2.0, loops=True))
    assert ranges(spans) == [(0, 1, 2, 1), (1, 2, 0, 1)]


def test_loop_of_thousands_of_passes_is_refused() -> None:
    spans, reader = read_spans(item_of(file_source(0.01), length_s=600.0, loops=True))
    assert spans == []
    assert "loops more than 200 times" in reader.refused[0]


@pytest.mark.parametrize(
    ("start_offset_s", "length_s", "expected"),
    [(-1.0, 4.0, (1, 4, 0, 1)), (8.0, 4.0, (0, 2, 8, 1))],
    ids=["before the source", "past the source"],
)
def test_only_what_has_picture_gets_sound_with_a_warning(
    start_offset_s: float, length_s: float, expected: tuple[int, ...]
) -> None:
    spans, reader = read_spans(item_of(start_offset_s=start_offset_s, length_s=length_s))
    assert ranges(spans) == [expected]
    assert "covers only a part of the item" in reader.warnings[0]


def test_item_a_hair_longer_than_its_file_is_not_warned_about() -> None:
    _, reader = read_spans(item_of(length_s=10.02))
    assert (reader.warnings, reader.refused) == ([], [])


def test_item_outside_its_source_is_refused() -> None:
    spans, reader = read_spans(item_of(start_offset_s=12.0))
    assert (spans, "nothing of its source lies within" in reader.refused[0]) == ([], True)


def test_stretch_markers_are_warned_about() -> None:
    spans, reader = read_spans(item_of(num_stretch_markers=2))
    assert len(spans) == 1
    assert "stretch markers" in reader.warnings[0]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (replace(item_of(), active_take=()), "it is empty"),
        (item_of(file_source(kind="WAVE", file="/a.wav")), "no picture (WAVE)"),
        (item_of(file_source(kind="MIDI", file="")), "no picture (MIDI)"),
        (item_of(file_source(kind="", file="")), "no picture (offline media)"),
        (item_of(section(0, 1), file_source(kind="WAVE", file="/a.wav")), "no picture (WAVE)"),
        (item_of(file_source(length_s=0.0)), "no duration (it is offline, or a still)"),
        (item_of(length_s=0.0), "it has no length"),
    ],
)
def test_item_without_moving_picture_is_refused_by_name(item: ReaperItem, reason: str) -> None:
    spans, reader = read_spans(item)
    assert spans == []
    assert reason in reader.refused[0]
    assert reader.refused[0].startswith(item.label)
