"""What an AAF file has and the adapter leaves out is counted in the file itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import load_timeline
from selva_otio.formats.source_loss import describe_left_out
from tests.selva_otio.cuts import CutBuilder

aaf2 = pytest.importorskip("aaf2", reason="pyaaf2 is not installed")
pytestmark = pytest.mark.skipif(
    "AAF" not in otio.adapters.available_adapter_names(), reason="otio-aaf-adapter is not installed"
)


def write_cut(path: Path, *, pans: Sequence[str] = ("1/2", "1/2"), comments: Mapping[str, str]) -> None:
    """A cut of one sound clip with a pan at its start and its end, as OpenTimelineIO's adapter writes it."""
    cut = CutBuilder(rate_hz=25.0)
    clip = cut.clip("a", offset=0, frames=50)
    points = [
        {"ControlPointSource": 2, "Time": f"{place}/50", "Value": pan}
        for place, pan in zip((0, 49), pans, strict=True)
    ]
    clip.metadata["AAF"] = {"Pan": {"ControlPoints": points}}
    track = cut.track(clip)
    track.kind = otio.schema.TrackKind.Audio
    otio.adapters.write_to_file(cut.timeline(track), str(path), adapter_name="AAF", use_empty_mob_ids=True)
    with aaf2.open(str(path), "rw") as file:
        (composition,) = file.content.compositionmobs()
        for name, text in comments.items():
            composition.comments[name] = text


def test_what_an_aaf_has_and_other_formats_cannot_hold_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "cut.aaf"
    write_cut(path, pans=("1/2", "1/1"), comments={"Scene": "12", "Take": "3"})
    assert set(describe_left_out(load_timeline(path))) == {
        "keyframes of the AAF that was read: they are left out (2)",
        "comments on clips of the AAF that was read: they are left out (2)",
    }


def test_a_plain_aaf_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cut.aaf"
    write_cut(path, comments={})
    assert describe_left_out(load_timeline(path)) == ()
