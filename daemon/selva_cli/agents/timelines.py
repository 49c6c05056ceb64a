"""Timelines for agents: opened inside the allowed folders, with all the media that they lead to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_cli.agents.allowed_folders import AllowedFolders
from selva_core.base.rational import to_pair
from selva_otio import CueSheet, SpotOptions, StemTrack, spot_timeline
from selva_otio.errors import TimelineError
from selva_otio.formats.options import ReadOptions
from selva_otio.formats.stem_metadata import iter_stems, iter_takes
from selva_otio.picture.media import resolve_media_path
from selva_otio.time.clock import parse_seconds
from selva_otio.time.item_times import find_record_clock, item_duration_s
from selva_otio.timelines import OpenTimeline, open_timeline
from selva_render.media import probe_or_none


@contextmanager
def open_allowed(path: Path, folders: AllowedFolders) -> Iterator[OpenTimeline]:
    """Raises TimelineError, OutsideFoldersError where the timeline leads to media outside."""
    with open_timeline(path, ReadOptions(probe=lambda file: probe_inside(file, folders))) as opened:
        if not path.suffix.lower().endswith(("otioz", "selvaz")):  # what is in a bundle is unpacked by us
            folders.require(_iter_media(opened))
        yield opened


def probe_inside(file: Path, folders: AllowedFolders) -> Any:
    """What a media file says of itself. Raises OutsideFoldersError."""
    return probe_or_none(folders.resolve(file))


def _iter_media(opened: OpenTimeline) -> Iterator[Path]:
    for clip in opened.timeline.find_clips():
        for reference in clip.media_references().values():
            url = getattr(reference, "target_url", None) or getattr(reference, "target_url_base", None)
            if url:
                try:
                    yield resolve_media_path(url, opened.base_folder)
                except TimelineError:
                    continue


def spot_for_agent(opened: OpenTimeline, tracks: Mapping[str, str], *, handles_s: float) -> CueSheet:
    """The cue sheet of a timeline. tracks: name to prompt, on every clip. Raises TimelineError."""
    return spot_timeline(
        opened.timeline,
        [StemTrack(name=name, prompt=prompt) for name, prompt in tracks.items()],
        base_folder=opened.base_folder,
        options=SpotOptions(handles_s=parse_seconds(str(handles_s))),
        media=opened.media,
    )


def describe_timeline(opened: OpenTimeline) -> dict[str, Any]:
    """Tracks, clips and stems of a timeline as JSON-able values."""
    clock = find_record_clock(opened.timeline)
    return {
        "name": opened.timeline.name,
        "file": str(opened.path),
        "frame_rate": to_pair(clock.frame_rate_hz),
        "start_timecode": clock.timecode(Fraction(0)),
        "tracks": [_describe_track(track) for track in opened.timeline.tracks],
        "stems": [
            {
                "track": str(stem.get("track", "")),
                "prompt": str(stem.get("prompt", "")),
                "cue": str(stem.get("cue", "")),
                "muted": not clip.enabled,
                "takes": [
                    {"take": take, "file": str(resolve_media_path(url, opened.base_folder))}
                    for take, url in iter_takes(stem)
                ],
            }
            for clip, stem in iter_stems(opened.timeline)
        ],
    }


def _describe_track(track: otio.schema.Track) -> dict[str, Any]:
    items = [child for child in track if isinstance(child, otio.core.Item)]
    return {
        "name": track.name,
        "kind": str(track.kind),
        "enabled": bool(track.enabled),
        "clips": [item.name for item in items if not isinstance(item, otio.schema.Gap)],
        "seconds": float(sum(item_duration_s(item) for item in items)),
    }
