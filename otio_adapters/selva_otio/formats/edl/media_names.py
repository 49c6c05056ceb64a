"""The media of an EDL's events: by file, clip name or reel, in folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.errors import ClockError
from selva_otio.formats.edl.events import Event
from selva_otio.formats.media_clocks import start_of_media_s
from selva_otio.formats.options import ProbeMedia
from selva_otio.picture.media import SOUND_SUFFIXES, STILL_SUFFIXES, build_media_url, build_missing_reference
from selva_otio.picture.media_search import MAX_DEPTH, MediaFolders
from selva_otio.time.clock import exact_rate, parse_timecode

# fmt: off
_NO_MEDIA = frozenset((
    ".aaf", ".ale", ".csv", ".doc", ".docx", ".edl", ".fcpxml", ".htm", ".html", ".json", ".log", ".md", ".otio",
    ".otioz", ".pdf", ".rpp", ".srt", ".toml", ".txt", ".xml", ".xmp",
))
# fmt: on


@dataclass(frozen=True, kw_only=True)
class ReelMedia:
    """What was found for an event. reason: why nothing was. start_s, duration_s, frame_rate: None when not known."""

    path: Path | None = None
    reason: str = ""
    start_s: Fraction | None = None
    duration_s: Fraction | None = None
    frame_rate: Fraction | None = None

    def build_reference(self, used_from_s: Fraction, used_to_s: Fraction) -> otio.core.MediaReference:
        """A reference to the file; to nothing, with the reason, where there is none."""
        if self.path is None:
            return build_missing_reference(self.reason)
        reference = otio.schema.ExternalReference(target_url=build_media_url(self.path))
        start_s = self.start_s or Fraction(0)
        rate = float(self.frame_rate or 24)
        duration_s = self.duration_s if self.duration_s is not None else max(used_to_s - start_s, Fraction(0))
        reference.available_range = otio.opentime.TimeRange(
            otio.opentime.RationalTime(float(start_s * exact_rate(rate)), rate),
            otio.opentime.RationalTime(float(duration_s * exact_rate(rate)), rate),
        )
        return reference


@dataclass(kw_only=True)
class ReelIndex:
    """Finds media by name, so many levels below some folders; asks each file once."""

    folders: Sequence[Path]
    probe: ProbeMedia | None = None
    max_depth: int = MAX_DEPTH
    _known: MediaFolders | None = None
    _asked: dict[Path, ReelMedia | None] = field(default_factory=dict)
    _found: dict[tuple[str, ...], ReelMedia] = field(default_factory=dict)

    def find(self, event: Event, *, wants_sound: bool = False) -> ReelMedia:
        """The file an event is from: the first of its names that files have; of several files, those whose timecode
        holds the event."""
        names = tuple(dict.fromkeys((*_file_notes(event), event.clip_name, event.reel)))
        key = (*names, *event.source, str(wants_sound))
        if key not in self._found:
            self._found[key] = self._look_for(event, names, wants_sound=wants_sound)
        return self._found[key]

    def _look_for(self, event: Event, names: Sequence[str], *, wants_sound: bool) -> ReelMedia:
        tried = [name for name in names if name and name.upper() not in ("AX", "BL")]
        for name in tried:
            found = [
                media for path in self._paths(name, wants_sound) if (media := self._ask(path)) is not None
            ]
            fitting = [media for media in found if _holds(media, event)] or found
            if len(fitting) == 1:
                return fitting[0]
            if fitting:
                places = " and ".join(str(media.path) for media in fitting[:2])
                return ReelMedia(
                    reason=f"several files could be {name!r}: {places}; name the right folder with --media-dir"
                )
        where = ", ".join(str(folder) for folder in self.folders)
        return ReelMedia(
            reason=f"no file in {where} is named {' or '.join(map(repr, tried)) or 'as its reel'}; "
            "name the folder of the media with --media-dir"
        )

    def _paths(self, name: str, wants_sound: bool) -> list[Path]:
        direct = Path(name)
        if direct.is_absolute() and direct.is_file():
            return [direct]
        if self._known is None:
            self._known = MediaFolders(self.folders, max_depth=self.max_depth)
        paths = [path for path in self._known.find(name) if path.suffix.lower() not in _NO_MEDIA]
        if wants_sound:
            return paths
        moving = [path for path in paths if path.suffix.lower() not in SOUND_SUFFIXES]
        return [path for path in moving if path.suffix.lower() not in STILL_SUFFIXES] or moving[:1]

    def _ask(self, path: Path) -> ReelMedia | None:
        """What a file says; None for one that is no media."""
        if path not in self._asked:
            self._asked[path] = self._probe(path)
        return self._asked[path]

    def _probe(self, path: Path) -> ReelMedia | None:
        if self.probe is None or path.suffix.lower() in SOUND_SUFFIXES | STILL_SUFFIXES:
            return ReelMedia(path=path)
        facts = self.probe(path)
        if facts is None:
            return None
        rate = None if facts.frame_rate_hz is None else exact_rate(float(facts.frame_rate_hz))
        start_s = start_of_media_s(facts)
        return ReelMedia(path=path, start_s=start_s, duration_s=facts.duration_s, frame_rate=rate)


def _file_notes(event: Event) -> list[str]:
    keys = ("source file path", "source file", "from file", "file name")
    return [event.names[key] for key in keys if key in event.names and event.kind == "C"]


def _holds(media: ReelMedia, event: Event) -> bool:
    """Whether the media's timecode range holds the event's first source frame."""
    if media.start_s is None or media.duration_s is None or media.frame_rate is None:
        return False
    label = event.source[0].replace(";", ":").replace(".", ":")
    try:
        first_s = parse_timecode(label, media.frame_rate) / media.frame_rate
    except ClockError:
        return False
    return media.start_s - 5 <= first_s <= media.start_s + media.duration_s + 5
