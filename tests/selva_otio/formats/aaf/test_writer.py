"""AAF as we write it, read back by pyaaf2 and by OpenTimelineIO's adapter."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from selva_otio import load_timeline, write_timeline
from selva_otio.errors import TimelineReadError, UnsupportedFormatError
from selva_otio.time.clock import nominal_rate, sample_index
from tests.selva_otio.cuts import ONE_HOUR_LABELS, RATES, CutBuilder
from tests.selva_otio.round_trips import rich_cut, seen, spot, with_stems

aaf2 = pytest.importorskip("aaf2", reason="pyaaf2 is not installed")
needs_adapter = pytest.mark.skipif(
    "AAF" not in otio.adapters.available_adapter_names(), reason="otio-aaf-adapter is not installed"
)


@contextmanager
def written(timeline: otio.schema.Timeline, folder: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The composition in a written AAF, and its tracks by name."""
    path = folder / "cut.aaf"
    write_timeline(timeline, path)
    with aaf2.open(str(path)) as file:
        (composition,) = file.content.toplevel()
        yield composition, {slot.name: slot for slot in composition.slots}


def clips_of(slot: Any) -> list[tuple[int, int, int, str]]:
    """Start, length, offset in the file and file name of each clip, in the slot's edit units."""
    found, cursor = [], 0
    for component in slot.segment.components:
        if type(component).__name__ == "SourceClip":
            source = component.mob.slots[0].segment.mob
            locator = next(iter(source.descriptor["Locator"].value))["URLString"].value
            found.append((cursor, component.length, component.start, locator.rsplit("/", 1)[1]))
        cursor += component.length
    return found


@pytest.mark.parametrize("rate_name", ["23.976", "25", "29.97 drop", "29.97 non-drop", "59.94"])
def test_stems_are_on_their_samples_and_the_start_timecode_is_that_of_the_cut(
    rate_name: str, tmp_path: Path
) -> None:
    rate, start_frame = RATES[rate_name], ONE_HOUR_LABELS[rate_name]
    timeline = rich_cut(CutBuilder(rate_hz=float(rate), start_frame=start_frame))
    expected = [
        (
            sample_index(clip.record_start_s, 48_000),
            sample_index(clip.record_end_s, 48_000) - sample_index(clip.record_start_s, 48_000),
        )
        for clip in spot(timeline).clips
    ]
    with written(with_stems(timeline, tmp_path), tmp_path) as (composition, slots):
        stems = [
            (start, length)
            for track in slots
            if "Dog" in track
            for start, length, _, _ in clips_of(slots[track])
        ]
        assert sorted(stems) == sorted(expected)
        assert slots["Dog"].edit_rate == 48_000
        assert Fraction(str(slots["V1"].edit_rate)) == rate
        timecode = slots["TC"].segment
        assert composition.name == "cut"
        assert (timecode.start, timecode.fps) == (start_frame, nominal_rate(rate))
        assert timecode.drop == (rate_name in ("29.97 drop", "59.94"))


def test_an_essence_descriptor_says_what_the_stem_file_has(tmp_path: Path) -> None:
    cut = CutBuilder(rate_hz=25.0)
    with written(with_stems(rich_cut(cut), tmp_path), tmp_path) as (_, slots):
        clip = next(part for part in slots["Dog"].segment.components if type(part).__name__ == "SourceClip")
        master = clip.mob
        source = master.slots[0].segment.mob
        summary = bytes(source.descriptor["Summary"].value)
        assert type(source.descriptor).__name__ == "WAVEDescriptor"
        assert (summary[:4], summary[8:16]) == (b"RIFF", b"WAVEfmt ")
        channels, rate_hz, bits = summary[22:24], summary[24:28], summary[34:36]
        assert [int.from_bytes(part, "little") for part in (channels, rate_hz, bits)] == [1, 48_000, 24]
        assert source.descriptor["Length"].value == 1000  # samples, as the stem was made
        assert master.name == "Dog #0 ä t1"
        assert dict(master.comments.items())["Selva prompt"] == "small dog barking"


def test_handles_are_in_the_media_before_the_clip(tmp_path: Path) -> None:
    cut = CutBuilder(rate_hz=24.0)
    placed = with_stems(cut.timeline(cut.track(cut.clip("a", offset=50, frames=20))), tmp_path)
    (stem,) = placed.tracks[-1].find_clips()
    stem.source_range = cut.span(12, 20)
    stem.media_reference.available_range = cut.span(0, 44)
    with written(placed, tmp_path) as (_, slots):
        ((_, length, offset, _),) = clips_of(slots["Dog"])
        assert (length, offset) == (20 * 2000, 12 * 2000)


def test_silent_takes_are_in_the_bin_only(tmp_path: Path) -> None:
    cut = CutBuilder(rate_hz=24.0)
    timeline = cut.timeline(cut.track(cut.clip("a", offset=0, frames=20)))
    with written(with_stems(timeline, tmp_path, num_takes=3), tmp_path) as (composition, slots):
        assert [name for name in slots if name.startswith("Dog")] == ["Dog"]
        names = {mob.name for mob in composition.root.content.mastermobs()}
        assert names == {"shot", "Dog #0 ä t1", "Dog #0 ä t2", "Dog #0 ä t3"}


def test_a_media_file_has_the_same_mob_id_in_every_aaf(tmp_path: Path) -> None:
    cut = CutBuilder(rate_hz=24.0)
    ids = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        with written(with_stems(rich_cut(cut), tmp_path), folder) as (composition, _):
            ids.append({str(mob.mob_id) for mob in composition.root.content.mastermobs()})
    assert ids[0] == ids[1]
    assert len(ids[0]) == len({*ids[0]}) > 2


@needs_adapter
def test_opentimelineio_reads_the_same_cut(tmp_path: Path) -> None:
    cut = CutBuilder(rate_hz=30000 / 1001, start_frame=107_892, media_start_frame=1_078_920)
    plain = cut.timeline(
        cut.track(
            cut.gap(13), cut.clip("shot", offset=37, frames=120), cut.clip("shot", offset=11, frames=40)
        )
    )
    path = tmp_path / "cut.aaf"
    write_timeline(with_stems(plain, tmp_path), path)
    back = load_timeline(path)
    before, after = spot(plain), spot(back)
    assert [shot[:6] for shot in seen(after)] == [shot[:6] for shot in seen(before)]
    assert after.clock == before.clock
    assert [track.name for track in back.tracks] == ["V1", "Dog"]


@needs_adapter
def test_a_timecode_track_without_the_number_one_is_the_start_all_the_same(tmp_path: Path) -> None:
    cut = CutBuilder(rate_hz=25.0, start_frame=90_000)
    path = tmp_path / "cut.aaf"
    write_timeline(cut.timeline(cut.track(cut.clip("a", offset=0, frames=20))), path)
    with aaf2.open(str(path), "rw") as file:
        (slot,) = [slot for mob in file.content.toplevel() for slot in mob.slots if slot.name == "TC"]
        slot["PhysicalTrackNumber"].value = 7
    assert load_timeline(path).global_start_time == otio.opentime.RationalTime(90_000, 25)


def test_without_pyaaf2_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aaf2", None)
    cut = CutBuilder(rate_hz=24.0)
    with pytest.raises(UnsupportedFormatError, match="pip install pyaaf2"):
        write_timeline(rich_cut(cut), tmp_path / "cut.aaf")
    assert list(tmp_path.iterdir()) == []


@needs_adapter
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # pyaaf2 leaves broken files open
def test_an_aaf_truncated_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.aaf"
    write_timeline(rich_cut(CutBuilder(rate_hz=24.0)), path)
    content = path.read_bytes()
    for length in (0, 1, 512, len(content) // 3):
        path.write_bytes(content[:length])
        with pytest.raises(TimelineReadError, match=r"cut\.aaf"):
            load_timeline(path)
    gc.collect()
