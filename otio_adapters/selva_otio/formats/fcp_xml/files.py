"""Final Cut Pro 7 XML files as timelines and back.

A timeline read from such a file carries its source document along in metadata. When only its stem tracks have changed since, they
are merged into that document, so that filters, titles, motion and everything else OpenTimelineIO has no place for stay as they
were.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import opentimelineio as otio

from selva_otio.formats.fcp_xml.document import Document
from selva_otio.formats.fcp_xml.merge import merge_stem_tracks
from selva_otio.formats.fcp_xml.reader import NAMESPACE, build_sequence_timeline
from selva_otio.formats.fcp_xml.writer import DOCTYPE, build_document
from selva_otio.formats.options import Destination
from selva_otio.formats.source_loss import count_xml_features, is_set, note_left_out
from selva_otio.formats.xml import load_xml, write_xml
from selva_otio.metadata import is_selva_track

_FORMAT_NAME = "Final Cut Pro 7 XML"
_DOCUMENT_KEY = "document"


def load_fcp_xml(path: Path) -> otio.schema.Timeline:
    """The timeline of a file. Raises TimelineReadError."""
    root = load_xml(path, root_tag="xmeml", kind="Final Cut Pro 7 XML")
    timeline = build_sequence_timeline(Document(root, path))
    noted = timeline.metadata.get(NAMESPACE) or {}
    timeline.metadata[NAMESPACE] = {**noted, _DOCUMENT_KEY: ET.tostring(root, encoding="unicode")}
    note_left_out(timeline, _FORMAT_NAME, count_xml_features(root.iter(), _FORMAT_NAME, is_counted=is_set))
    return timeline


def write_fcp_xml(timeline: otio.schema.Timeline, destination: Destination) -> Sequence[Path]:
    """Write a timeline; into its source document where only stem tracks have changed. Raises TimelineError."""
    plan = destination.merge_plan
    document = plan if isinstance(plan, Document) else find_source_document(timeline)
    if document is None:
        root = build_document(timeline, destination.base_folder)
    else:
        merge_stem_tracks(document, timeline, destination.base_folder)
        root = document.root
    write_xml(root, destination.target, doctype=DOCTYPE)
    return [destination.target]


def find_source_document(timeline: otio.schema.Timeline) -> Document | None:
    """The document a timeline was read from; None when anything but its stem tracks has changed since.

    The document is read again and compared, because an editing program sets no flag.
    """
    text = timeline.metadata.get(NAMESPACE, {}).get(_DOCUMENT_KEY)
    if not text:
        return None
    document = Document(ET.fromstring(text), Path(timeline.name or "timeline"))  # noqa: S314 - read within bounds before
    source = build_sequence_timeline(document)
    source_tracks = {_track_key(track): track for track in source.tracks}
    other_tracks = [track for track in timeline.tracks if not is_selva_track(track)]
    tracks_are_same = all(
        (old := source_tracks.get(_track_key(track))) is not None and track.is_equivalent_to(old)
        for track in other_tracks
    )
    markers_are_same = len(source.tracks.markers) == len(timeline.tracks.markers) and all(
        marker.is_equivalent_to(old)
        for marker, old in zip(timeline.tracks.markers, source.tracks.markers, strict=True)
    )
    has_all_picture = len(source.video_tracks()) == len(timeline.video_tracks())
    is_same = source.name == timeline.name and tracks_are_same and markers_are_same and has_all_picture
    return document if is_same else None


def drop_source_document(timeline: otio.schema.Timeline) -> otio.schema.Timeline:
    """The timeline without its source document: itself, or a clone if it carries one."""
    if _DOCUMENT_KEY not in (timeline.metadata.get(NAMESPACE) or {}):
        return timeline
    clone = timeline.clone()
    del clone.metadata[NAMESPACE][_DOCUMENT_KEY]
    if not clone.metadata[NAMESPACE]:
        del clone.metadata[NAMESPACE]
    return clone


def _track_key(track: otio.schema.Track) -> tuple[str, int | None]:
    """Kind and index of a track in its source document."""
    return str(track.kind), (track.metadata.get(NAMESPACE) or {}).get("index")
