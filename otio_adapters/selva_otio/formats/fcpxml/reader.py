"""FCPXML files as timelines: the one project in them, its resources and its clock."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.errors import ClockError, TimelineReadError
from selva_otio.formats.fcpxml.lanes import build_tracks
from selva_otio.formats.fcpxml.resources import read_rate_name
from selva_otio.formats.fcpxml.storyline import Resources, StorylineReader
from selva_otio.formats.fcpxml.times import parse_time
from selva_otio.formats.fcpxml.writer import NAMESPACE
from selva_otio.formats.xml import load_xml
from selva_otio.time.clock import TimelineClock, exact_rate


def load_fcpxml(path: Path) -> otio.schema.Timeline:
    """The project of an FCPXML file, versions 1.1 to 1.13, as Final Cut Pro and Resolve write them.

    Compound, synchronised and multicam clips become nests; auditions the media references of one clip. Raises
    TimelineReadError.
    """
    root = load_xml(path, root_tag="fcpxml", kind="Final Cut Pro XML")
    name, sequence = _find_project(root, path)
    resources = _read_resources(root)
    rate = _read_rate(sequence, resources, path)
    start_s = parse_time(sequence.get("tcStart", "0s"), what="the start of the project (tcStart)")
    clock = TimelineClock(
        frame_rate_hz=rate,
        otio_rate_hz=float(rate),
        start_frame=math.floor(start_s * rate + Fraction(1, 2)),
        drop_frame=sequence.get("tcFormat") == "DF",
    )
    spine = sequence.find("spine")
    if spine is None:
        raise TimelineReadError(f"{path} holds a project without a storyline (spine)")
    reader = StorylineReader(resources=resources, clock=clock)
    items, dissolves = reader.read_storyline(spine, origin_s=start_s)
    timeline = otio.schema.Timeline(
        name=name, global_start_time=otio.opentime.RationalTime(clock.start_frame, clock.otio_rate_hz)
    )
    timeline.tracks.extend(build_tracks(items, clock, dissolves))
    timeline.metadata[NAMESPACE] = _describe(root, sequence, resources)
    return timeline


def _find_project(root: ET.Element, path: Path) -> tuple[str, ET.Element]:
    projects = [
        (project.get("name") or path.stem, sequence)
        for project in root.iter("project")
        if (sequence := project.find("sequence")) is not None
    ]
    if len(projects) != 1:
        raise TimelineReadError(
            f"{path} holds {len(projects)} projects; select the one that is meant in Final Cut Pro and export it "
            "with File > Export XML"
        )
    return projects[0]


def _read_resources(root: ET.Element) -> Resources:
    found = [element for resources in root.iter("resources") for element in resources]
    return {str(element.get("id")): element for element in found if element.get("id")}


def _read_rate(sequence: ET.Element, resources: Resources, path: Path) -> Fraction:
    """Frames per second of the sequence's format, from its frame duration or from its name."""
    ref = sequence.get("format", "")
    found = resources.get(ref)
    name = found.get("name", "") if found is not None else ref
    told = found.get("frameDuration") if found is not None else None
    if told is None:
        rate = read_rate_name(name)
        if rate is None:
            raise TimelineReadError(
                f"{path} does not say how many frames a second its project has (format {ref!r})"
            )
        return rate
    frame_s = parse_time(told, what="the frame duration of the project")
    try:
        if frame_s <= 0:
            raise ClockError("a frame lasts longer than nothing")
        return exact_rate(float(1 / frame_s))
    except ClockError as error:
        raise TimelineReadError(f"{path}: a frame duration of {told} makes no sense: {error}") from error


def _describe(root: ET.Element, sequence: ET.Element, resources: Resources) -> dict[str, object]:
    """What a written FCPXML needs again."""
    facts: dict[str, object] = {"version": root.get("version", "")}
    if sequence.get("tcFormat") in ("DF", "NDF"):
        facts["tc_format"] = str(sequence.get("tcFormat"))
    found = resources.get(sequence.get("format", ""))
    size = [found.get(key, "") for key in ("width", "height")] if found is not None else []
    if size and all(part.isascii() and part.isdigit() and len(part) < 6 for part in size):
        facts["format"] = {"width": int(size[0]), "height": int(size[1])}
    return facts
