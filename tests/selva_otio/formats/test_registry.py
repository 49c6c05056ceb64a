"""The table of formats, and the URLs of media in files that are written elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from selva_otio import load_timeline, write_timeline
from selva_otio.errors import UnsupportedFormatError
from selva_otio.formats.registry import FORMATS, find_format
from selva_otio.picture.media import resolve_media_path
from tests.selva_otio.cuts import CutBuilder


def test_a_format_is_found_by_the_suffix_of_a_file(tmp_path: Path) -> None:
    assert find_format(Path("Cut.OTIO")).name == "OpenTimelineIO"
    assert find_format(Path("cut.rpp.new")).name == "REAPER project"
    assert len({row.suffix for row in FORMATS}) == len(FORMATS)
    with pytest.raises(UnsupportedFormatError, match="no known timeline format"):
        find_format(Path("cut.new"))


@pytest.mark.parametrize("suffix", [".otio", ".rpp", ".xml", ".fcpxml"])
def test_relative_media_is_found_from_another_folder_too(
    suffix: str, cut_at_24: CutBuilder, tmp_path: Path
) -> None:
    timeline = cut_at_24.timeline(
        cut_at_24.track(cut_at_24.clip("a", offset=0, frames=20, url="one/shot%20%231.mov"))
    )
    (tmp_path / "mix").mkdir()
    beside, elsewhere = tmp_path / "beside.otio", tmp_path / "mix" / f"out{suffix}"
    write_timeline(timeline, beside, base_folder=tmp_path)
    write_timeline(timeline, elsewhere, base_folder=tmp_path)
    assert load_timeline(beside).to_json_string() == timeline.to_json_string()
    (clip,) = load_timeline(elsewhere).find_clips()
    assert (
        resolve_media_path(clip.media_reference.target_url, elsewhere.parent)
        == tmp_path / "one" / "shot #1.mov"
    )
