"""A bundle says how its stems are panned, and finds the place of each beside its file."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from selva_core.base.evidence import EVIDENCE_SUFFIX, Evidence
from selva_core.base.render_options import PanOptions
from selva_otio.errors import CueError
from selva_otio.formats.request_bundle.bundle_folder import load_bundle_folder
from selva_otio.formats.stem_metadata import to_plain_value
from tests.selva_otio.formats.request_bundle.bundles import (
    DOG,
    make_cut,
    make_stem,
    media_file,
    stem_files,
    write_bundle_file,
)


def put_evidence(stem: Path, *, x: float = 0.0) -> None:
    evidence = Evidence(
        rate_hz=Fraction(25, 2),
        presence=(1.0,) * 50,
        x=(x,) * 50,
        y=(0.5,) * 50,
        spread=(0.2,) * 50,
        rows=1,
        columns=1,
        heat=bytes(50),
        whole=1.0,
        threshold=0.5,
    )
    stem.with_suffix(EVIDENCE_SUFFIX).write_text(json.dumps(evidence.to_json()), encoding="utf-8")


def takes_of(timeline: otio.schema.Timeline) -> list[dict[str, Any]]:
    return [
        to_plain_value(take)  # OpenTimelineIO's maps die with their timeline
        for track in timeline.audio_tracks()
        for clip in track.find_clips()
        for take in clip.metadata["selva"]["takes"]
    ]


def test_options_are_kept_and_a_bundle_without_them_is_as_it_was(tmp_path: Path) -> None:
    cut = make_cut(media_file(tmp_path))
    plain = write_bundle_file(cut, tmp_path / "plain.selva", tracks=DOG)
    assert plain.options.render.pan == PanOptions()
    assert {"pan", "pan_width", "distance"}.isdisjoint(plain.options.to_metadata())
    panned = write_bundle_file(
        cut, tmp_path / "p.selva", tracks=DOG, pan="envelope", pan_width=0.5, distance=True
    )
    assert load_bundle_folder(panned.folder).options.render.pan == PanOptions(
        mode="envelope", width=0.5, distance=True
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pan": "wide"}, "pan is one of"),
        ({"pan_width": 2}, "0 to 1"),
        ({"distance": "yes"}, "true or false"),
    ],
)
def test_a_wrong_pan_is_refused_before_anything_is_written(
    tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    cut = make_cut(media_file(tmp_path))
    with pytest.raises(CueError, match=message):
        write_bundle_file(cut, tmp_path / "p.selva", tracks=DOG, **wrong)
    assert not (tmp_path / "p.selva").exists()


def test_a_found_stem_follows_the_evidence_beside_it(tmp_path: Path) -> None:
    bundle = write_bundle_file(
        make_cut(media_file(tmp_path)), tmp_path / "p.selva", tracks=DOG, pan="envelope", pan_width=0.5
    )
    first, second = bundle.spot().cues
    put_evidence(make_stem(bundle, first))
    make_stem(bundle, second)
    with_evidence, without = takes_of(load_bundle_folder(bundle.folder).timeline_with_stems())
    assert {pan for _, pan in with_evidence["pan"]} == {-0.5}
    assert "pan" not in without


@pytest.mark.parametrize("content", ["", "[]", '{"rate_hz": 1}', "{" * 5000])
def test_evidence_that_cannot_be_read_pans_nothing(tmp_path: Path, content: str) -> None:
    bundle = write_bundle_file(
        make_cut(media_file(tmp_path)), tmp_path / "p.selva", tracks=DOG, pan="envelope"
    )
    stem = make_stem(bundle, bundle.spot().cues[0])
    stem.with_suffix(EVIDENCE_SUFFIX).write_text(content, encoding="utf-8")
    [take] = takes_of(load_bundle_folder(bundle.folder).timeline_with_stems())
    assert "pan" not in take


def test_only_stems_that_are_panned_as_requested_are_placed(tmp_path: Path) -> None:
    bundle = write_bundle_file(
        make_cut(media_file(tmp_path)), tmp_path / "p.selva", tracks=DOG, pan="stereo", pan_width=0.5
    )
    cue = bundle.spot().cues[0]
    make_stem(bundle, cue)
    assert stem_files(load_bundle_folder(bundle.folder).timeline_with_stems()) == {}
    make_stem(bundle, cue, changes={"pan": "stereo", "pan_width": "1"})
    assert stem_files(load_bundle_folder(bundle.folder).timeline_with_stems()) == {}
    wanted = make_stem(bundle, cue, changes={"pan": "stereo", "pan_width": "0.5"})
    timeline = load_bundle_folder(bundle.folder).timeline_with_stems()
    assert stem_files(timeline) == {"Dog": [wanted.name]}
    assert [take["num_channels"] for take in takes_of(timeline)] == [2]
