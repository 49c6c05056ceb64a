"""FCPXML files as timelines: their one project, its resources and its clock."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_core.base.rational import round_half_up
from selva_otio.errors import TimelineReadError
from selva_otio.formats.fcpxml.clip_attributes import read_stem_metadata
from selva_otio.formats.fcpxml.element_times import Resources
from selva_otio.formats.fcpxml.lanes import build_tracks
from selva_otio.formats.fcpxml.resources import (
    FCPXML_NAMESPACE,
    STANDARD_RATES,
    read_format_rate,
    read_rate_name,
)
from selva_otio.formats.fcpxml.story_elements import is_fade
from selva_otio.formats.fcpxml.storyline import StorylineReader
from selva_otio.formats.fcpxml.times import parse_time
from selva_otio.formats.source_loss import count_xml_features, is_set, note_left_out
from selva_otio.formats.xml import load_xml
from selva_otio.picture.media import clean_file_name
from selva_otio.time.clock import TimelineClock, note_drop_frame

FORMAT_NAME = "Final Cut Pro XML"
DOCUMENT_KEY = "document"
"""Under FCPXML_NAMESPACE: the text of the document that a timeline was read from."""


def load_fcpxml(path: Path) -> otio.schema.Timeline:
    """The project of an FCPXML file, version 1.1 to 1.13, as Final Cut Pro and Resolve write it. Raises TimelineReadError.

    Compound, synchronized and multicam clips become nests, auditions clips with several media references.
    """
    root = load_xml(path, root_tag="fcpxml", kind="Final Cut Pro XML")
    timeline = build_project_timeline(root, path)
    keep_document(timeline, root)
    _note_left_out(timeline, root, path)
    return timeline


def build_project_timeline(root: ET.Element, path: Path, *, numbered: bool = False) -> otio.schema.Timeline:
    """The timeline of a document's one project. Raises TimelineReadError.

    path: for messages. numbered: note on clips that are sound alone which element of the sequence they are.
    """
    project, sequence = find_project(root, path)
    name = project.get("name") or clean_file_name(path.stem)
    resources = read_resources(root)
    rate = _read_rate(sequence, resources, path)
    start_s = parse_time(sequence.get("tcStart", "0s"), what="the start of the project (tcStart)")
    clock = TimelineClock(
        frame_rate_hz=rate,
        otio_rate_hz=float(rate),
        start_frame=round_half_up(start_s * rate),
        drop_frame=sequence.get("tcFormat") == "DF",
    )
    spine = sequence.find("spine")
    if spine is None:
        raise TimelineReadError(f"{path} holds a project without a storyline (spine)")
    numbers = {element: number for number, element in enumerate(sequence.iter())} if numbered else {}
    reader = StorylineReader(resources=resources, clock=clock, numbers=numbers)
    items = reader.read_storyline(spine, origin_s=start_s)
    reader.check_damage()
    timeline = otio.schema.Timeline(
        name=name, global_start_time=otio.opentime.RationalTime(clock.start_frame, clock.otio_rate_hz)
    )
    timeline.tracks.extend(build_tracks(items, clock))
    timeline.tracks.markers.extend(reader.gap_markers)
    timeline.metadata[FCPXML_NAMESPACE] = _build_project_metadata(root, sequence, resources)
    note_drop_frame(timeline, FCPXML_NAMESPACE, rate, drop_frame=clock.drop_frame)
    return timeline


def find_project(root: ET.Element, path: Path) -> tuple[ET.Element, ET.Element]:
    """The one project of a document, and its sequence. Raises TimelineReadError for none or several."""
    projects = [
        (project, sequence)
        for project in root.iter("project")
        if (sequence := project.find("sequence")) is not None
    ]
    if len(projects) != 1:
        raise TimelineReadError(
            f"{path} holds {len(projects)} projects; select the one to be read in Final Cut Pro and export it "
            "with File > Export XML"
        )
    return projects[0]


def read_resources(root: ET.Element) -> Resources:
    """The resources of a document, by their id."""
    found = [element for resources in root.iter("resources") for element in resources]
    return {str(element.get("id")): element for element in found if element.get("id")}


def _read_rate(sequence: ET.Element, resources: Resources, path: Path) -> Fraction:
    """Frames per second of the sequence's format."""
    ref = sequence.get("format", "")
    video_format = resources.get(ref)
    try:
        rate = read_rate_name(ref) if video_format is None else read_format_rate(video_format)
    except TimelineReadError as error:
        raise TimelineReadError(f"{path}: {error.message}") from error
    rate = rate or _find_only_rate(sequence, resources)
    if rate is None:
        raise TimelineReadError(
            f"{path} does not say how many frames a second its project has (format {ref!r})"
        )
    return rate


def _find_only_rate(sequence: ET.Element, resources: Resources) -> Fraction | None:
    """The rate of a project whose format is not among the resources: the one standard rate on whose frames all its cuts lie.

    None where several rates fit, which whole seconds do.
    """
    spine = sequence.find("spine")
    elements = [element for element in (spine if spine is not None else ()) if element.tag != "transition"]
    times = [
        parse_time(element.get(key, "0s"), what=key) for element in elements for key in ("offset", "duration")
    ]
    fitting = [rate for rate in STANDARD_RATES if all((time * rate).denominator == 1 for time in times)]
    if len(fitting) == 1:
        return fitting[0]
    used = [resources.get(element.get("format", "")) for element in elements]
    durations = {found.get("frameDuration", "") for found in used if found is not None} - {""}
    rates = {1 / time for text in durations if (time := parse_time(text, what="a frame duration")) > 0}
    own = [rate for rate in fitting if rate in rates]
    if len(own) == 1:
        return own[0]
    # 25 and 50, or 29.97 and 59.94, share their cuts: the lower one holds them all.
    return fitting[0] if fitting and all((rate / fitting[0]).denominator == 1 for rate in fitting) else None


def _note_left_out(timeline: otio.schema.Timeline, root: ET.Element, path: Path) -> None:
    """Note what the project and the compound clips in it have that the timeline does not."""
    _, sequence = find_project(root, path)
    resources = read_resources(root)
    parts = [sequence]
    refs: set[str] = set()
    for part in parts:  # grows while it is walked
        for ref in [element.get("ref", "") for element in part.iter()]:
            found = resources.get(ref)
            if found is not None and found.tag == "media" and ref not in refs:
                refs.add(ref)
                parts.append(found)
    of_stems = {
        inner
        for part in parts
        for clip in part.iter()
        if any(map(read_stem_metadata, [clip, *(clip if clip.tag == "audition" else ())]))
        for inner in clip.iter()
    }
    elements = [element for part in parts for element in part.iter() if element not in of_stems]
    note_left_out(timeline, FORMAT_NAME, count_xml_features(elements, FORMAT_NAME, is_counted=is_set))
    spines = [element for element in elements if element.tag in ("spine", "mc-angle")]
    fades = sum(is_fade(spine, number) for spine in spines for number in range(len(spine)))
    note_left_out(timeline, FORMAT_NAME, {"fades from and to nothing": fades})
    wipes = sum(
        element.tag == "transition" and element.get("name", "Cross Dissolve") != "Cross Dissolve"
        for element in elements
    )
    note_left_out(
        timeline, FORMAT_NAME, {"wipes and other transitions": wipes}, consequence="they become dissolves"
    )


def keep_document(timeline: otio.schema.Timeline, root: ET.Element) -> None:
    """Carry the document of a timeline in its metadata, so that a written file is that document with stem tracks."""
    timeline.metadata[FCPXML_NAMESPACE][DOCUMENT_KEY] = ET.tostring(root, encoding="unicode")


def _build_project_metadata(
    root: ET.Element, sequence: ET.Element, resources: Resources
) -> dict[str, object]:
    """What OpenTimelineIO has no place for and a written FCPXML needs: version, drop-frame flag, picture size."""
    metadata: dict[str, object] = {"version": root.get("version", "")}
    if sequence.get("tcFormat") in ("DF", "NDF"):
        metadata["tc_format"] = str(sequence.get("tcFormat"))
    video_format = resources.get(sequence.get("format", ""))
    size = [video_format.get(key, "") for key in ("width", "height")] if video_format is not None else []
    if size and all(part.isascii() and part.isdigit() and len(part) < 6 for part in size):
        metadata["format"] = {"width": int(size[0]), "height": int(size[1])}
    return metadata
