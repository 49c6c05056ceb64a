"""Final Cut Pro 7 XML files as timelines and back.

A timeline that was read from such a file carries the document along. Written again with nothing but its stem tracks
changed, the document is what is written, with those tracks put in: filters, titles, motion and whatever else a
timeline has no words for stay as they were.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import opentimelineio as otio

from selva_otio.formats.fcp_xml.document import Document
from selva_otio.formats.fcp_xml.merge import merge_stem_tracks
from selva_otio.formats.fcp_xml.reader import NAMESPACE, build_timeline
from selva_otio.formats.fcp_xml.writer import DOCTYPE, build_document
from selva_otio.formats.options import Destination
from selva_otio.formats.xml import load_xml, write_xml
from selva_otio.metadata import is_selva_track

_KEPT = "document"


def load_fcp7_xml(path: Path) -> otio.schema.Timeline:
    """The timeline of a file. Raises TimelineReadError."""
    root = load_xml(path, root_tag="xmeml", kind="Final Cut Pro 7 XML")
    timeline = build_timeline(Document(root, path))
    timeline.metadata[NAMESPACE] = {_KEPT: ET.tostring(root, encoding="unicode")}
    return timeline


def write_fcp7_xml(timeline: otio.schema.Timeline, destination: Destination) -> Sequence[Path]:
    """Write a timeline, into the document it came from where it can be. Raises TimelineError."""
    document = find_document(timeline)
    if document is None:
        root = build_document(timeline, destination.base_folder)
    else:
        merge_stem_tracks(document, timeline, destination.base_folder)
        root = document.root
    write_xml(root, destination.target, doctype=DOCTYPE)
    return [destination.target]


def find_document(timeline: otio.schema.Timeline) -> Document | None:
    """The document a timeline came from, if nothing but its stem tracks was changed since."""
    kept = timeline.metadata.get(NAMESPACE, {}).get(_KEPT)
    if not kept:
        return None
    document = Document(ET.fromstring(kept), Path(timeline.name or "timeline"))  # noqa: S314 - read within bounds before
    before = build_timeline(document)
    known = {_place(track): track for track in before.tracks}
    theirs = [track for track in timeline.tracks if not is_selva_track(track)]
    is_same = before.name == timeline.name and all(
        (found := known.get(_place(track))) is not None and track.is_equivalent_to(found) for track in theirs
    )
    markers_are_same = len(before.tracks.markers) == len(timeline.tracks.markers) and all(
        ours.is_equivalent_to(old)
        for ours, old in zip(timeline.tracks.markers, before.tracks.markers, strict=True)
    )
    has_all_picture = len(before.video_tracks()) == len(timeline.video_tracks())
    return document if is_same and markers_are_same and has_all_picture else None


def drop_document(timeline: otio.schema.Timeline) -> otio.schema.Timeline:
    """The timeline, or a clone of it, without the document it came from."""
    if _KEPT not in (timeline.metadata.get(NAMESPACE) or {}):
        return timeline
    clone = timeline.clone()
    del clone.metadata[NAMESPACE]
    return clone


def _place(track: otio.schema.Track) -> tuple[str, int | None]:
    return str(track.kind), (track.metadata.get(NAMESPACE) or {}).get("index")
