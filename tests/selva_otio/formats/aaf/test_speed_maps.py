"""A retime that Avid draws as a graph has the graph's speed, or is refused for its clip alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from selva_otio import load_timeline, write_timeline
from tests.selva_otio.cuts import CutBuilder
from tests.selva_otio.round_trips import spot

aaf2 = pytest.importorskip("aaf2")

SPEED, POSITION, BOTH = "PARAM_SPEED_MAP_U", "PARAM_OFFSET_MAP_U", "PARAM_SPEED_OFFSET_MAP_U"
RAMP = "ramp"


def write_retimed_aaf(path: Path, graphs: dict[str, Sequence[tuple[int, float]]]) -> None:
    """Two clips of 30 frames; the first in a Motion Control effect of Avid with a SpeedRatio of twice the speed."""
    cut = CutBuilder(rate_hz=25.0)
    clips = (cut.clip(name, offset=10, frames=30) for name in ("first", "second"))
    write_timeline(cut.timeline(cut.track(*clips)), path)
    with aaf2.open(str(path), "rw") as file:
        operation = file.create.OperationDef(
            aaf2.auid.AUID("9d2ea894-0968-11d3-8a38-0050040ef7d2"), "Motion Control", ""
        )
        operation.media_kind = "picture"
        operation["IsTimeWarp"].value = True
        operation["NumberInputs"].value = 1
        file.dictionary.register_def(operation)
        sequence = next(
            slot.segment
            for mob in file.content.compositionmobs()
            for slot in mob.slots
            if slot.segment.media_kind == "Picture"
        )
        clip = sequence.components.pop(0)
        group = file.create.OperationGroup(operation, clip.length, "picture")
        ratio = define_parameter(file, 0, "SpeedRatio")
        group.parameters.append(file.create.ConstantValue(ratio, aaf2.rational.AAFRational("1/2")))
        for number, (name, points) in enumerate(graphs.items(), start=1):
            group.parameters.append(build_graph(file, number, name, points))
        group.segments.append(clip)
        sequence.components.insert(0, group)


def define_parameter(file: Any, number: int, name: str) -> Any:
    rational = file.dictionary.lookup_typedef("Rational")
    definition = file.create.ParameterDef(f"72559a80-24d7-11d3-8a50-0050040ef7d{number}", name, "", rational)
    file.dictionary.register_def(definition)
    return definition


def build_graph(file: Any, number: int, name: str, points: Sequence[tuple[int, float]]) -> Any:
    linear = file.create.InterpolationDef(
        aaf2.auid.AUID("5b6c85a4-0ede-11d3-80a9-006008143e6f"), "LinearInterp", ""
    )
    file.dictionary.register_def(linear)
    graph = file.create.VaryingValue()
    graph.parameterdef = define_parameter(file, number, name)
    graph["Interpolation"].value = linear
    for time, value in points:
        point = file.create.ControlPoint()
        point["ControlPointSource"].value = 2
        point["Time"].value = aaf2.rational.AAFRational(time)
        point["Value"].value = aaf2.rational.AAFRational(value)
        graph["PointList"].append(point)
    return graph


@pytest.mark.parametrize(
    ("graphs", "expected"),
    [
        ({}, 2.0),
        ({SPEED: [(0, 1), (29, 3)]}, RAMP),
        ({SPEED: [(0, 2), (29, 2)]}, 2.0),
        ({POSITION: [(0, 0), (30, 90)]}, 3.0),
        ({POSITION: [(0, 0), (15, 10), (30, 90)]}, RAMP),
        ({POSITION: [(0, 90), (30, 0)]}, -3.0),
        ({POSITION: [(0, 5), (30, 5)]}, 0.0),
        ({BOTH: [(0, 0), (15, 30), (30, 60)]}, 2.0),
        ({BOTH: [(0, 0), (15, 10), (30, 60)]}, RAMP),
        ({BOTH: [(0, 0), (30, 15)]}, 0.5),
    ],
)
def test_a_graph_of_a_retime_tells_its_speed(
    tmp_path: Path, graphs: dict[str, Sequence[tuple[int, float]]], expected: float | str
) -> None:
    """The adapter took a ramp of speed for the constant speed that the file names beside it."""
    write_retimed_aaf(tmp_path / "cut.aaf", graphs)
    timeline = load_timeline(tmp_path / "cut.aaf")
    first, second = timeline.find_clips()
    [effect] = first.effects
    assert not second.effects
    if expected == RAMP:
        assert type(effect) is otio.schema.TimeEffect
        sheet = spot(timeline)
        assert len(sheet.clips) == 1
        assert "speed ramp" in sheet.skipped[0].reason
    else:
        assert effect.time_scalar == pytest.approx(expected)
        assert isinstance(effect, otio.schema.FreezeFrame) == (expected == 0.0)
