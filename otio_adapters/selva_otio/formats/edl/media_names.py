"""The media of an EDL's events, found in folders by file, clip or reel name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.errors import ClockError
from selva_otio.formats.edl.events import Event, parse_label
from selva_otio.picture.media import SOUND_SUFFIXES, STILL_SUFFIXES, build_media_url, build_missing_reference
from selva_otio.picture.media_folders import MAX_DEPTH, MediaFolders, keep_longest_common_tail
from selva_otio.picture.media_probe import ProbeMedia, media_start_s
from selva_otio.time.clock import exact_rate

# fmt: off
_TOLERANCE_S = 5

# Documents that are often named after the cut or the reel and are beside the media.
_NOT_MEDIA_SUFFIXES = frozenset((
    ".aaf", ".ale", ".csv", ".doc", ".docx", ".edl", ".fcpxml", ".htm", ".html", ".json", ".log", ".md", ".otio",
    ".otioz", ".pdf", ".rpp", ".srt", ".toml", ".txt", ".xml", ".xmp",
))
# fmt: on


@dataclass(frozen=True, kw_only=True)
class ReelMedia:
    """The file of an event. reason: why none was found. start_s, duration_s, frame_rate: None when not known."""

    path: Path | None = None
    reason: str = ""
    start_s: Fraction | None = None
    duration_s: Fraction | None = None
    frame_rate: Fraction | None = None

    def build_reference(self, used_from_s: Fraction, used_to_s: Fraction) -> otio.core.MediaReference:
        """A reference to the file; a missing reference with the reason where there is none.

        used_from_s, used_to_s: the part that the event uses, for a file whose length is not known.
        """
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
    """Finds media by name in some folders, `max_depth` levels deep, and probes each file once."""

    folders: Sequence[Path]
    probe: ProbeMedia | None = None
    max_depth: int = MAX_DEPTH
    _media_folders: MediaFolders | None = None
    _probed: dict[Path, ReelMedia | None] = field(default_factory=dict)
    _found: dict[tuple[str, ...], ReelMedia] = field(default_factory=dict)

    def find(self, event: Event, *, wants_sound: bool = False) -> ReelMedia:
        """The file of an event: that of the first of its names that any file has.

        Of several files of that name, the one that shares the longest end of its path with the name, then the one whose
        timecode range contains the event.
        """
        names = tuple(dict.fromkeys((*_find_file_names(event), event.clip_name, event.reel)))
        key = (*names, *event.source, str(wants_sound))
        if key not in self._found:
            self._found[key] = self._look_for(event, names, wants_sound=wants_sound)
        return self._found[key]

    def _look_for(self, event: Event, names: Sequence[str], *, wants_sound: bool) -> ReelMedia:
        tried = [name for name in names if name and name.upper() not in ("AX", "BL")]  # "auxiliary" and black
        for name in tried:
            found = [
                media
                for path in self._paths(name, wants_sound)
                if (media := self._describe(path)) is not None
            ]
            fitting = [media for media in found if _contains_event(media, event)] or found
            if len(fitting) == 1:
                return fitting[0]
            if fitting:
                paths = " and ".join(str(media.path) for media in fitting[:2])
                return ReelMedia(
                    reason=f"several files are named {name!r}: {paths}; give the right folder with --media-dir"
                )
        where = ", ".join(str(folder) for folder in self.folders)
        return ReelMedia(
            reason=f"no file in {where} is named {' or '.join(map(repr, tried)) or 'as its reel'}; "
            "give the folder of the media with --media-dir"
        )

    def _paths(self, name: str, wants_sound: bool) -> list[Path]:
        direct = Path(name)
        if direct.is_absolute() and direct.is_file():
            return [direct]
        if self._media_folders is None:
            self._media_folders = MediaFolders(self.folders, max_depth=self.max_depth)
        paths = [
            path
            for path in self._media_folders.find_reel(name)
            if path.suffix.lower() not in _NOT_MEDIA_SUFFIXES
        ]
        paths, _ = keep_longest_common_tail(paths, name)
        if wants_sound:
            return paths
        moving = [path for path in paths if path.suffix.lower() not in SOUND_SUFFIXES]
        return [path for path in moving if path.suffix.lower() not in STILL_SUFFIXES] or moving

    def _describe(self, path: Path) -> ReelMedia | None:
        """A file as media; None for one that is not media."""
        if path not in self._probed:
            self._probed[path] = self._probe(path)
        return self._probed[path]

    def _probe(self, path: Path) -> ReelMedia | None:
        if self.probe is None or path.suffix.lower() in SOUND_SUFFIXES | STILL_SUFFIXES:
            return ReelMedia(path=path)
        info = self.probe(path)
        if info is None:
            return None
        rate = None if info.frame_rate_hz is None else exact_rate(float(info.frame_rate_hz))
        return ReelMedia(path=path, start_s=media_start_s(info), duration_s=info.duration_s, frame_rate=rate)


def _find_file_names(event: Event) -> list[str]:
    keys = ("source file path", "source file", "from file", "file name")
    return [event.names[key] for key in keys if key in event.names and event.kind == "C"]


def _contains_event(media: ReelMedia, event: Event) -> bool:
    """Whether the event's first source frame is in the media's timecode range, give or take 5 s.

    A list labels all its sources in one way, drop-frame or not, whatever the media is; so either reading counts.
    """
    if media.start_s is None or media.duration_s is None or media.frame_rate is None:
        return False
    for is_drop in (False, True):
        try:
            first_s = parse_label(event.source[0], media.frame_rate, is_drop=is_drop) / media.frame_rate
        except ClockError:
            continue
        if media.start_s - _TOLERANCE_S <= first_s <= media.start_s + media.duration_s + _TOLERANCE_S:
            return True
    return False
