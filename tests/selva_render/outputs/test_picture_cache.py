"""What is said where the cache of seen pictures does not hold a cut."""

from __future__ import annotations

from pathlib import Path

from selva_core.base.settings import Settings
from selva_otio import CueSheet, StemTrack, spot_timeline
from selva_render.picture_cache import describe_picture_cache, measure_pictures_s
from tests.selva_otio.cuts import CutBuilder

MODEL = "selva-small-16k"
MINUTE_FRAMES = 60 * 25


def cut_of(*starts_min: int) -> CueSheet:
    """Clips of a minute, of one file, that begin at these minutes."""
    cut = CutBuilder(rate_hz=25, media_start_frame=0, media_num_frames=100 * MINUTE_FRAMES)
    clips = [cut.clip("a", offset=start * MINUTE_FRAMES, frames=MINUTE_FRAMES) for start in starts_min]
    tracks = [StemTrack(name="Dog", prompt="bark"), StemTrack(name="Bell", prompt="bell")]
    return spot_timeline(cut.timeline(cut.track(*clips)), tracks, base_folder=Path("/"))


def test_cut_longer_than_the_cache_has_a_note_with_both_lengths_and_the_size_it_needs() -> None:
    sheet = cut_of(*range(40))
    note = describe_picture_cache(sheet, MODEL, Settings())
    assert note is not None
    assert "(10.0 GiB) holds 11 minutes" in note
    assert "this cut has 40 minutes" in note
    assert "config set feature_cache_bytes 38GiB" in note
    assert describe_picture_cache(sheet, MODEL, Settings(feature_cache_bytes=38 << 30)) is None


def test_in_bfloat16_the_cache_holds_twice_as_much() -> None:
    sheet = cut_of(*range(20))
    assert describe_picture_cache(sheet, MODEL, Settings()) is not None
    assert describe_picture_cache(sheet, MODEL, Settings(precision="bfloat16")) is None


def test_small_model_and_a_cache_that_stores_nothing_have_no_note() -> None:
    sheet = cut_of(*range(40))
    assert describe_picture_cache(sheet, "selva-nano", Settings()) is None
    assert describe_picture_cache(sheet, MODEL, Settings(feature_cache_bytes=0)) is None


def test_range_that_is_shown_twice_counts_once() -> None:
    sheet = cut_of(0, 0, 1)
    assert measure_pictures_s(sheet) == 120
