"""Clips as ITEM chunks with their takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_otio.errors import ClockError, TimelineReadError
from selva_otio.formats.reaper.guids import GuidRegister
from selva_otio.formats.reaper.item_clips import UNRESOLVED_TAKE
from selva_otio.formats.reaper.media_files import choose_source_kind, format_file
from selva_otio.formats.reaper.metadata import (
    EFFECTS_CHUNK,
    build_metadata_fields,
    read_reaper_metadata,
)
from selva_otio.formats.reaper.stem_sound import stem_volume
from selva_otio.formats.reaper.tokens import format_decimal, parse_number, quote_token
from selva_otio.formats.reaper.track_items import PlacedClip
from selva_otio.formats.stem_metadata import read_fade_s, read_pan, read_take
from selva_otio.metadata import STEM_SCHEMA, read_plain_stem, read_selva_metadata
from selva_otio.time.clock import exact_seconds

_REVERSED_SECTION = 2
_EMPTY_SOURCE = ["<SOURCE EMPTY", ">"]


@dataclass(frozen=True, kw_only=True)
class _Section:
    """The values of a SOURCE SECTION, as they are written."""

    start: str
    length: str
    mode: int


@dataclass(frozen=True, kw_only=True)
class _TakeRange:
    """What a take plays: its source from `offset_s` on at `play_rate`. sections: those around the source."""

    offset_s: Fraction
    play_rate: Fraction
    sections: tuple[_Section, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ItemWriter:
    """Writes the items of one project. folder: that of the project, for media paths; None keeps relative URLs relative."""

    guids: GuidRegister
    folder: Path | None

    def build_lines(self, placed: PlacedClip, *, track_identity: str) -> list[str]:
        """The lines of an ITEM chunk, without indent and line ends. Raises UnsupportedUrlError.

        track_identity: what its GUIDs are derived from, together with the cue, or the name and start, of the clip.
        """
        child = placed.child
        known = read_reaper_metadata(child)
        stem = read_plain_stem(child)
        name = stem.get("cue") or f"{child.name}\n{placed.start_s}"
        identity = f"{track_identity}\n{name}"
        fade_in_s = placed.fade_in_s or _fade_s(stem, known, "fade_in_s")
        fade_out_s = placed.fade_out_s or _fade_s(stem, known, "fade_out_s")
        body = [
            f"POSITION {format_decimal(placed.start_s)}",
            "SNAPOFFS 0",
            f"LENGTH {format_decimal(placed.end_s - placed.start_s)}",
            f"LOOP {int(known.get('loops') is True)}",
            "ALLTAKES 0",
            *(["BEAT 0"] if stem else []),  # time: a stem stays with its picture when the tempo changes
            f"FADEIN 1 {format_decimal(fade_in_s)} 0 1 0 0 0",
            f"FADEOUT 1 {format_decimal(fade_out_s)} 0 1 0 0 0",
            f"MUTE {int(not placed.enabled)} 0",
            "SEL 0",
            f"IGUID {self.guids.claim(f'item {identity}', preferred=str(known.get('guid', '')))}",
            *_notes_lines(known, _explain_unplayable(placed)),
            *_extension_lines(stem),
        ]
        if isinstance(child, otio.schema.Clip) and placed.speed:
            body += self._take_lines(placed, child, identity, _levels(stem, known))
        return ["<ITEM", *(f"  {line}" for line in body), ">"]

    def _take_lines(
        self, placed: PlacedClip, clip: otio.schema.Clip, identity: str, levels: str
    ) -> Iterator[str]:
        """Each media reference as a take, the active one marked."""
        active_key = clip.active_media_reference_key
        references = {
            key: reference for key, reference in clip.media_references().items() if key != UNRESOLVED_TAKE
        }
        for number, (key, reference) in enumerate(references.items()):
            take = read_reaper_metadata(reference)
            if number:
                yield "TAKE SEL" if key == active_key else "TAKE"
            is_single = len(references) == 1
            yield f"NAME {quote_token(clip.name if is_single else reference.name or clip.name)}"
            # VOLPAN is volume and pan of the item, then those of its first take; further takes have a line of their own.
            yield "TAKEVOLPAN 0 1 -1" if number else f"VOLPAN {levels} -1"
            take_range = _choose_range(placed, clip, reference, is_active=key == active_key)
            yield f"SOFFS {format_decimal(take_range.offset_s)}"
            keeps_pitch = int(take.get("preserves_pitch") is not False)
            pitch = format_decimal(_decimal(take, "pitch_semitones", Fraction(0)))
            yield f"PLAYRATE {format_decimal(take_range.play_rate)} {keeps_pitch} {pitch} -1 0 0.0025"
            yield f"CHANMODE {_whole(take, 'channel_mode')}"
            guid = self.guids.claim(f"take {identity}\n{key}", preferred=str(take.get("guid", "")))
            yield f"GUID {guid}"
            yield from self._source_lines(reference, take_range)
            yield from self._effect_lines(take, f"{identity}\n{key}")
            curve = read_pan(read_take(read_selva_metadata(clip, STEM_SCHEMA), reference))
            if curve is not None:
                points = curve.span(float(take_range.offset_s), float(placed.end_s - placed.start_s))
                yield from self._pan_lines(points, f"{identity}\n{key}")

    def _effect_lines(self, take: Mapping[str, Any], identity: str) -> Iterator[str]:
        """The effects that a take had in the project that it was read from; of a copy with identities of their own."""
        chunk = take.get(EFFECTS_CHUNK)
        if not (isinstance(chunk, str) and chunk.lstrip().startswith("<TAKEFX")):
            return
        for number, line in enumerate(_unindent(chunk)):
            key, _, guid = line.strip().partition(" ")
            if key == "FXID":
                indent = line[: len(line) - len(line.lstrip())]
                yield f"{indent}FXID {self.guids.claim(f'effect {identity} {number}', preferred=guid)}"
            else:
                yield line

    def _pan_lines(self, points: Sequence[tuple[float, float]], identity: str) -> Iterator[str]:
        """The pan envelope of a take, points joined by straight lines (shape 0), in seconds after the item's start.

        The values of REAPER's pan envelopes run the other way than its pan controls: 1 is left.
        """
        yield "<PANENV"
        yield f"  EGUID {self.guids.claim(f'pan {identity}', preferred='')}"
        yield from ("  ACT 1 -1", "  VIS 1 1 1", "  LANEHEIGHT 0 0", "  ARM 0", "  DEFSHAPE 0 -1 -1")
        for time_s, pan in points:
            yield f"  PT {format_decimal(Fraction(round(time_s, 6)))} {format_decimal(Fraction(round(-pan, 4)))} 0"
        yield ">"

    def _source_lines(self, reference: otio.core.MediaReference, take_range: _TakeRange) -> list[str]:
        lines = self._plain_source_lines(reference)
        for section in reversed(take_range.sections if lines != _EMPTY_SOURCE else ()):
            lines = [
                "<SOURCE SECTION",
                f"  LENGTH {section.length}",
                f"  MODE {section.mode}",
                f"  STARTPOS {section.start}",
                "  OVERLAP 0.01",
                *(f"  {line}" for line in lines),
                ">",
            ]
        return lines

    def _plain_source_lines(self, reference: otio.core.MediaReference) -> list[str]:
        known = read_reaper_metadata(reference)
        if isinstance(reference, otio.schema.ExternalReference) and reference.target_url:
            file = format_file(reference.target_url, self.folder)
            kind = str(known.get("source_type", ""))
            if not (kind.isalnum() and kind.isascii()):
                kind = choose_source_kind(file)
            quoted = f'"{file}"' if '"' not in file else quote_token(file)
            return [f"<SOURCE {kind}", f"  FILE {quoted}", ">"]
        chunk = known.get("source_chunk")
        if isinstance(chunk, str) and chunk.lstrip().startswith("<SOURCE"):
            return _unindent(chunk)
        return list(_EMPTY_SOURCE)


def _choose_range(
    placed: PlacedClip, clip: otio.schema.Clip, reference: otio.core.MediaReference, *, is_active: bool
) -> _TakeRange:
    """What a take plays. The range of a clip is that of its active take; a silent take keeps what it had in its project."""
    known = read_reaper_metadata(reference)
    if not is_active and "source_offset_s" in known:
        return _TakeRange(
            offset_s=_decimal(known, "source_offset_s", Fraction(0)),
            play_rate=_decimal(known, "play_rate", Fraction(1)),
            sections=tuple(_iter_sections(known)),
        )
    speed = placed.speed or Fraction(1)
    available = reference.available_range
    origin_s = exact_seconds(available.start_time) if available is not None else Fraction(0)
    offset_s = placed.media_start_s - origin_s
    if speed > 0:
        return _TakeRange(offset_s=offset_s, play_rate=speed)
    used_s = -speed * (placed.end_s - placed.start_s)
    section = _Section(start=format_decimal(offset_s), length=format_decimal(used_s), mode=_REVERSED_SECTION)
    # REAPER has no negative play rate: it plays a reversed section of the source.
    return _TakeRange(offset_s=Fraction(0), play_rate=-speed, sections=(section,))


def _iter_sections(known: Mapping[str, Any]) -> Iterator[_Section]:
    """The sections around the source of a take, as they were read."""
    for section in known.get("sections") or ():
        if isinstance(section, Mapping):
            yield _Section(
                start=format_decimal(_decimal(section, "start_s", Fraction(0))),
                length=format_decimal(_decimal(section, "length_s", Fraction(0))),
                mode=_whole(section, "mode"),
            )


def _levels(stem: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """Volume and pan of the item, and volume of its first take: as an editor set them in the project that the item was read from,
    else those that a stem is placed with.
    """
    placed_volume = Fraction(stem_volume(stem)) if stem else Fraction(1)
    values = (
        _decimal(known, "volume", placed_volume),
        _decimal(known, "pan", Fraction(0)),
        _decimal(known, "take_volume", Fraction(1)),
    )
    return " ".join(map(format_decimal, values))


def _fade_s(stem: Mapping[str, Any], known: Mapping[str, Any], key: str) -> Fraction:
    """A fade as an editor set it in the project that the item was read from, else that of the stem."""
    return _seconds(known, key) if key in known else read_fade_s(stem, key)


def _explain_unplayable(placed: PlacedClip) -> str:
    """Why REAPER cannot play an item, for its notes; empty where it can."""
    if placed.speed is None:
        return f"{placed.child.name}: its speed changes"
    return "" if placed.speed else f"{placed.child.name}: a freeze frame"


def _notes_lines(known: Mapping[str, Any], explanation: str) -> Sequence[str]:
    old_notes = known.get("notes")
    notes = explanation or (old_notes if isinstance(old_notes, str) else "")
    return ["<NOTES", *(f"  |{line}" for line in notes.splitlines()), ">"] if notes else []


def _extension_lines(stem: Mapping[str, Any]) -> Sequence[str]:
    if not stem:
        return []
    return ["<EXT", *(f"  {key} {value}" for key, value in build_metadata_fields(stem).items()), ">"]


def _decimal(known: Mapping[str, Any], key: str, default: Fraction) -> Fraction:
    try:
        return parse_number(str(known[key]), what=key)
    except (KeyError, TimelineReadError, ClockError):
        return default


def _seconds(known: Mapping[str, Any], key: str) -> Fraction:
    return max(_decimal(known, key, Fraction(0)), Fraction(0))


def _whole(known: Mapping[str, Any], key: str) -> int:
    value = known.get(key)
    return value if isinstance(value, int) else 0


def _unindent(chunk: str) -> list[str]:
    """The lines of a chunk without line ends and without the indent of its first line."""
    lines = [line.rstrip("\r") for line in chunk.rstrip("\n").split("\n")]
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    return [line.removeprefix(indent) for line in lines]
