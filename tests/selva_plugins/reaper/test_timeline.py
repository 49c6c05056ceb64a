"""Spans of items as tracks of an OpenTimelineIO timeline."""

from __future__ import annotations

from selva_plugins.hosts.reaper.snapshot import (
    ReaperTrack,
)
from selva_plugins.hosts.reaper.timeline import build_timeline
from tests.selva_plugins.reaper.snapshots import item_of, read_spans, snapshot_of


def test_upper_track_is_on_top_and_muted_ones_are_below() -> None:
    tracks = [
        ReaperTrack(guid=f"{{{number}}}", name=name, number=number, is_muted=muted)
        for number, name, muted in ((1, "Top", False), (2, "Muted", True), (3, "Bottom", False))
    ]
    spans, _ = read_spans(*(item_of(track=track) for track in tracks))
    built = build_timeline(snapshot_of(), spans)
    assert [track.name for track in built.timeline.tracks] == ["2 Muted muted", "3 Bottom", "1 Top"]


def test_overlapping_items_of_a_track_lie_on_picture_tracks_of_their_own() -> None:
    spans, _ = read_spans(item_of(position_s=0.0), item_of(position_s=2.0), item_of(position_s=4.0))
    built = build_timeline(snapshot_of(), spans)
    assert [[span.record_start_s for span in track.spans] for track in built.picture_tracks.values()] == [
        [0, 4],
        [2],
    ]
