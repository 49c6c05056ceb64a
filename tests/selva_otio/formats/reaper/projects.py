"""Projects to read: the written-by-hand ones, and small ones made of a few lines."""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio

from selva_otio.formats.reaper.chunks import parse_project_text
from selva_otio.formats.reaper.reader import build_project_timeline

FOLDER = Path(__file__).parents[3] / "data" / "rpp"
FILES = sorted(FOLDER.glob("*.rpp"))
FILM = FOLDER / "film-23976.rpp"
REEL = FOLDER / "reel-2997df-crlf.rpp"
OPEN_FOLDERS = FOLDER / "open-folders.rpp"
LATIN = FOLDER / "bare-latin1.rpp"


def project(*lines: str) -> str:
    """A project at 25 frames per second with these lines in it."""
    return "\n".join(["<REAPER_PROJECT 0.1", "TIMEMODE 1 2 -1 25 0", *lines, ">", ""])


def track(*lines: str) -> str:
    return "\n".join(["<TRACK {10000000-0000-4000-8000-00000000AAAA}", *lines, ">"])


def video_item(
    position: str, length: str, *lines: str, source: str = '<SOURCE VIDEO\nFILE "a.mov"\n>'
) -> str:
    return "\n".join(["<ITEM", f"POSITION {position}", f"LENGTH {length}", *lines, source, ">"])


def read(text: str) -> otio.schema.Timeline:
    return build_project_timeline(parse_project_text(text), name="", folder=None)


def clips_of(timeline: otio.schema.Timeline) -> list[otio.schema.Clip]:
    return [child for child in timeline.find_clips() if isinstance(child, otio.schema.Clip)]


def summary(timeline: otio.schema.Timeline) -> list[tuple[str, str, bool, list[tuple[object, ...]]]]:
    """Kind, name and state of each track, and what lies on it: all that must survive a round trip."""
    return [
        (track.kind, track.name, track.enabled, [_describe(child) for child in track])
        for track in timeline.tracks
    ]


def _describe(child: otio.core.Item) -> tuple[object, ...]:
    warps = tuple(
        effect.time_scalar for effect in child.effects if isinstance(effect, otio.schema.LinearTimeWarp)
    )
    media: tuple[object, ...] = ()
    if isinstance(child, otio.schema.Clip):
        media = (
            child.active_media_reference_key,
            *(
                (key, reference.name, getattr(reference, "target_url", None) or type(reference).__name__)
                for key, reference in child.media_references().items()
            ),
        )
    return (child.schema_name(), child.name, child.enabled, str(child.source_range), warps, media)
