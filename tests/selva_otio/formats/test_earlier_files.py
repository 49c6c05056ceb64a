"""Timeline files and bundles that version 0.1.0 wrote are read now as that version read them."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from selva_otio import Stem, place_stems
from selva_otio.formats.fcpxml.files import drop_document
from selva_otio.formats.options import ReadOptions
from selva_otio.formats.request_bundle.bundle_folder import load_bundle_folder
from selva_otio.timelines import load_timeline, open_timeline, write_timeline

EARLIER = Path(__file__).parents[2] / "data" / "before" / "timelines"
RATE = Fraction(24000, 1001)
MISSING = "selva_missing"
READ_SINCE = (("pan", "0"), ("take_volume", "1"), ("mlt", {"frame_rate": [24000, 1001]}))
"""What version 0.1.0 did not read: of REAPER's items, as it stands where nobody has changed it; that a project is of MLT."""
GAP_MARKERS = {"harbour.fcpxml": [("reel 1", 2.0, 4.0)]}
"""Name, start and length in frames of the markers on gaps, which version 0.1.0 passed over; they are the timeline's now."""
NAMES = sorted(path.stem for path in (EARLIER / "expected").iterdir())


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EARLIER, tmp_path / "earlier"))


def read_json(timeline: otio.schema.Timeline, folder: Path) -> Any:
    """The timeline as JSON values, with FOLDER for the folder that its file is in.

    Without the document of an FCPXML, which version 0.1.0 did not carry along.
    """
    text = otio.core.serialize_json_to_string(drop_document(timeline), None, indent=-1)
    return without_messages(
        json.loads(text.replace(folder.as_uri(), "file://FOLDER").replace(str(folder), "FOLDER"))
    )


def load_expected(name: str) -> Any:
    return without_messages(json.loads((EARLIER / "expected" / f"{name}.json").read_text(encoding="utf-8")))


def without_messages(value: Any) -> Any:
    """The values with MESSAGE for the sentences that say why media is missing: their wording may change."""
    if isinstance(value, dict):
        return {
            key: "MESSAGE" if key == MISSING else without_messages(inner)
            for key, inner in value.items()
            if (key, inner) not in READ_SINCE
        }
    return [without_messages(inner) for inner in value] if isinstance(value, list) else value


def stem_names(timeline: otio.schema.Timeline) -> dict[str, list[str]]:
    return {
        track.name: [Path(clip.media_reference.target_url).name for clip in track.find_clips()]
        for track in timeline.audio_tracks()
        if len(track)
    }


def test_every_kind_of_file_that_was_written_is_among_the_earlier_files() -> None:
    suffixes = {".otio", ".rpp", ".xml", ".fcpxml", ".edl", ".mlt", ".selva", ".selvaz"}
    assert {Path(name).suffix for name in NAMES} == suffixes


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith(".selvaz")])
def test_an_earlier_file_reads_as_it_did(earlier: Path, name: str) -> None:
    with open_timeline(earlier / name, ReadOptions(frame_rate=RATE)) as opened:
        read = read_json(opened.timeline, earlier)
    if name in GAP_MARKERS:
        spans = [(marker["name"], marker["marked_range"]) for marker in read["tracks"]["markers"]]
        assert [
            (marker, span["start_time"]["value"], span["duration"]["value"]) for marker, span in spans
        ] == GAP_MARKERS[name]
        read["tracks"]["markers"] = []
    assert read == load_expected(name)


def test_an_earlier_bundle_in_one_file_reads_as_it_did(earlier: Path) -> None:
    timeline = otio.adapters.read_from_file(str(earlier / "harbour.selvaz"))
    assert read_json(timeline, earlier) == load_expected("harbour.selvaz")


def test_the_comparison_sees_a_changed_name(earlier: Path) -> None:
    timeline = load_timeline(earlier / "harbour.otio")
    timeline.tracks[0].name = "other"
    assert read_json(timeline, earlier) != load_expected("harbour.otio")


def test_the_stems_of_an_earlier_bundle_answer_its_cues(earlier: Path) -> None:
    bundle = load_bundle_folder(earlier / "harbour.selva")
    assert (bundle.options.render.seed, bundle.options.render.sample_rate_hz) == (7, 8_000)
    assert stem_names(bundle.timeline_with_stems()) == {
        "Dog": ["Dog_quay_t01.wav"],
        "Rain": ["Rain_gulls_t01.wav"],
    }


@pytest.mark.parametrize("suffix", ["otio", "rpp", "fcpxml", "xml"])
def test_a_new_render_replaces_the_stems_of_an_earlier_file(earlier: Path, suffix: str) -> None:
    path = earlier / f"harbour.{suffix}"
    timeline, sheet = load_timeline(path), load_bundle_folder(earlier / "harbour.selva").spot()
    stems = [
        Stem(
            cue=cue.id,
            take=1,
            seed=1,
            file=earlier / "new" / f"{cue.track} {number}.wav",
            sample_rate_hz=48_000,
            num_samples=48_000,
        )
        for number, cue in enumerate(sheet.cues)
    ]
    placed = place_stems(timeline, sheet, stems)
    assert not placed.edited_cues
    target = earlier / f"new.{suffix}"
    write_timeline(placed.timeline, target)
    found = stem_names(load_timeline(target))
    assert {track: len(names) for track, names in found.items()} == {"Dog": 3, "Rain": 3}
    assert not any("_t0" in name for names in found.values() for name in names)
