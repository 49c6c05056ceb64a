"""The whole cut as one small movie, and the cut's own sound as one file: what is played of which media, where."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_daemon.protocol.picture import picture_to_wire
from selva_otio.metadata import SELVA_NAMESPACE
from selva_otio.picture.media_search import MediaLookup
from selva_otio.time.clock import exact_seconds
from selva_otio.time.item_times import trimmed_start_s
from selva_panel.timeline.cut import Cut, PanelClip
from selva_render.jobs import build_picture_range


def list_picture_parts(cut: Cut) -> list[dict[str, Any]]:
    """What is shown in which frames, in order, gaps as None: the parts of the task that makes the movie.

    Where clips overlap, as in a dissolve, the later one is shown from its first frame on.
    """
    parts: list[dict[str, Any]] = []
    clips = sorted((clip for clip in cut.clips if clip.spotted), key=lambda clip: clip.start_frames)
    at = 0
    for index, clip in enumerate(clips):
        following = clips[index + 1].start_frames if index + 1 < len(clips) else cut.duration_frames
        end = min(clip.start_frames + clip.duration_frames, max(following, clip.start_frames))
        if clip.start_frames > at:
            parts.append({"picture": None, "frames": clip.start_frames - at})
        if end > clip.start_frames:
            parts.append({"picture": _picture_of(clip), "frames": end - clip.start_frames})
            at = end
    if cut.duration_frames > at:
        parts.append({"picture": None, "frames": cut.duration_frames - at})
    return parts


def _picture_of(clip: PanelClip) -> dict[str, Any]:
    if clip.spotted is None:
        raise ValueError(f"{clip.name} has no picture")
    return picture_to_wire(build_picture_range(clip.spotted))


def list_sound_parts(cut: Cut) -> list[dict[str, Any]]:
    """The cut's own sound: the clips of its audio tracks, stems of ours aside; of a cut without audio tracks, what is in the
    files of its picture. Retimed clips are left out.
    """
    tracks = [track for track in cut.timeline.audio_tracks() if SELVA_NAMESPACE not in track.metadata]
    if tracks:
        lookup = cut.lookup or MediaLookup(base_folder=cut.base_folder)
        return [part for track in tracks if track.enabled for part in _iter_track(track, lookup)]
    return [
        {
            "path": str(clip.spotted.media_path),
            "start_s": str(clip.spotted.media_start_s),
            "duration_s": str(clip.spotted.duration_s),
            "at_s": str(clip.spotted.record_start_s),
        }
        for clip in cut.clips
        if clip.spotted is not None and clip.spotted.images is None and clip.spotted.speed == 1
    ]


def _iter_track(track: otio.schema.Track, lookup: MediaLookup) -> Iterator[dict[str, Any]]:
    for clip in track.find_clips():
        if not clip.enabled or any(isinstance(effect, otio.schema.TimeEffect) for effect in clip.effects):
            continue
        path: Path | None = lookup.find_file_or_none(clip)
        if path is None or SELVA_NAMESPACE in clip.metadata:
            continue
        available = clip.media_reference.available_range
        origin_s = Fraction(0) if available is None else exact_seconds(available.start_time)
        placed = clip.transformed_time_range(clip.trimmed_range(), track)
        yield {
            "path": str(path),
            "start_s": str(max(trimmed_start_s(clip) - origin_s, Fraction(0))),
            "duration_s": str(exact_seconds(placed.duration)),
            "at_s": str(exact_seconds(placed.start_time)),
        }
