"""A stem that lies on a timeline: where its samples are heard, and another take for it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import Stem, place_stems, spot_timeline
from selva_otio.errors import CueError
from selva_otio.formats.stem_metadata import iter_stems, iter_takes
from selva_otio.picture.media import build_media_url
from selva_otio.placement.takes import PlacedStem, add_take, find_placed_stem
from tests.selva_otio.cuts import CutBuilder
from tests.selva_otio.placement.test_place_stems import DOG, STEMS, spot, stems_of

BASE = Path("/cuts")


def placed_cut(*, takes: int = 1) -> otio.schema.Timeline:
    """Two clips after a second of nothing, each with a stem."""
    cut = CutBuilder(rate_hz=24)
    timeline = cut.timeline(
        cut.track(cut.gap(24), cut.clip("a", offset=48, frames=48), cut.clip("b", offset=0, frames=24))
    )
    sheet = spot(timeline)
    return place_stems(timeline, sheet, stems_of(sheet, takes=takes)).timeline


def another(placed: PlacedStem) -> Stem:
    return Stem(
        cue=placed.cue,
        take=placed.next_take,
        seed=99,
        file=STEMS / "new.wav",
        sample_rate_hz=48_000,
        num_samples=96_000,
    )


def first_stem(timeline: otio.schema.Timeline) -> PlacedStem:
    cue = next(str(stem["cue"]) for _, stem in iter_stems(timeline))
    return find_placed_stem(timeline, cue, base_folder=BASE)


def test_a_stem_is_found_by_its_cue_and_by_its_file() -> None:
    timeline = placed_cut()
    placed = first_stem(timeline)
    assert (placed.track, placed.start_s, placed.end_s) == ("Dog", Fraction(1), Fraction(3))
    assert find_placed_stem(timeline, str(placed.file), base_folder=BASE) == placed
    assert placed.media is not None
    with pytest.raises(CueError, match=r"its cues are: \w+"):
        find_placed_stem(timeline, "nothing", base_folder=BASE)


@pytest.mark.parametrize("takes", [1, 2])
def test_the_new_take_plays_and_the_earlier_ones_stay(takes: int) -> None:
    timeline = placed_cut(takes=takes)
    before = timeline.to_json_string()
    placed = first_stem(timeline)
    assert placed.next_take == takes + 1
    result = add_take(timeline, placed, another(placed))
    assert timeline.to_json_string() == before
    (clip, stem), (other, _) = iter_stems(result)
    assert clip.media_reference.target_url == build_media_url(STEMS / "new.wav")
    assert stem["active_take"] == takes + 1
    assert [number for number, _ in iter_takes(stem)] == list(range(1, takes + 2))
    assert sorted(clip.media_references()) == [f"take_{number}" for number in range(1, takes + 2)]
    assert clip.media_reference.available_range == clip.media_references()["take_1"].available_range
    assert len(other.media_references()) == takes


def test_a_third_take_follows_the_second() -> None:
    timeline = placed_cut()
    placed = first_stem(timeline)
    result = add_take(timeline, placed, another(placed))
    again = first_stem(result)
    assert (again.next_take, again.file) == (3, STEMS / "new.wav")


def test_a_sample_is_counted_from_where_the_item_lies_and_begins_in_its_file() -> None:
    placed = PlacedStem(
        number=0,
        cue="c",
        track="Dog",
        start_s=Fraction(1001, 24000),
        end_s=Fraction(3),
        offset_s=Fraction(1, 2),
        file=Path("a.wav"),
        media=None,
        next_take=2,
    )
    assert placed.sample_at(placed.start_s, 48_000) == 24_000
    assert placed.sample_at(placed.start_s + 1, 48_000) == 72_000


def test_an_earlier_stem_without_takes_in_its_metadata_is_no_fault() -> None:
    timeline = placed_cut()
    clip, _ = next(iter_stems(timeline))
    del clip.metadata["selva"]["takes"]
    assert first_stem(timeline).next_take == 2
    assert spot_timeline(timeline, [DOG], base_folder=BASE).cues
