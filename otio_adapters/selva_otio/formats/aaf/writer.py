"""From a timeline to AAF: one composition of picture on the frame grid and sound on the sample grid.

Every media file is a chain of mobs: the clip in the bin (master mob), the file (source mob with a locator) and, for
picture, the tape with its timecode. Sound tracks count in samples, so that a stem starts on its sample at every frame
rate. Stems stay WAV files beside the AAF: Pro Tools and Media Composer link to them.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_core.base.atomic_write import staged_file
from selva_otio.errors import TimelineWriteError, UnsupportedFormatError
from selva_otio.formats.aaf.descriptors import build_picture_descriptor, build_wave_descriptor
from selva_otio.formats.feature_loss import Feature
from selva_otio.formats.flat_layout import (
    FlatClip,
    FlatTrack,
    Layout,
    find_media_file,
    flatten_timeline,
    media_range_s,
)
from selva_otio.formats.options import Destination
from selva_otio.formats.wave_headers import WaveHeader, load_wave_header
from selva_otio.time.clock import nominal_rate, sample_index

WAVE_SUFFIXES = frozenset([".wav", ".wave", ".bwf"])
_MOB_IDS = uuid.UUID("5e1fa0b0-7c1d-4f0e-9a52-2d6c9d0f3a11")
_DEFAULT_SAMPLE_RATE_HZ = 48_000


def write_aaf(timeline: otio.schema.Timeline, destination: Destination) -> Sequence[Path]:
    """Write a timeline as AAF, whole or not at all.

    Raises UnsupportedFormatError without pyaaf2, TimelineWriteError, TimelineReadError.
    """
    try:
        import aaf2  # noqa: PLC0415 - an optional package
    except ImportError as error:
        raise UnsupportedFormatError(
            "writing AAF needs pyaaf2: pip install pyaaf2 (or selva-bridge[formats])"
        ) from error
    layout = flatten_timeline(timeline)
    with (
        staged_file(destination.target, error=TimelineWriteError) as temporary,
        aaf2.open(str(temporary), "w") as file,
    ):
        _Composition(file, layout, destination.base_folder).build(timeline.name or destination.target.stem)
    return [destination.target]


class _Composition:
    """One AAF file while it is built."""

    def __init__(self, file: Any, layout: Layout, base_folder: Path) -> None:
        self._file = file
        self._layout = layout
        self._clock = layout.clock
        self._base_folder = base_folder
        self._pieces: dict[Path, list[FlatClip]] = {}
        self._masters: dict[tuple[Path, str], tuple[Any, int]] = {}
        for track in layout.tracks:
            for piece in track.pieces:
                path = find_media_file(piece.clip.media_reference, base_folder)
                if path is not None:
                    self._pieces.setdefault(path, []).append(piece)
        self._ranges = {
            path: media_range_s(pieces[0].clip.media_reference, pieces)
            for path, pieces in self._pieces.items()
        }

    def build(self, name: str) -> None:
        composition = self._file.create.CompositionMob(name)
        composition.usage = "Usage_TopLevel"
        self._file.content.mobs.append(composition)
        self._add_timecode(composition)
        for number, track in enumerate(self._layout.picture, start=1):
            self._add_slot(composition, track, number, "picture", self._clock.frame_rate_hz)
        sample_rate_hz = _find_sample_rate(self._layout.sound)
        for number, track in enumerate(self._layout.sound, start=1):
            self._add_slot(composition, track, number, "sound", Fraction(sample_rate_hz))

    def _add_timecode(self, mob: Any, *, start_frame: int | None = None) -> Any:
        """A timecode track from the mob's start; the composition's, unless another start is told."""
        clock = self._clock
        slot = mob.create_timeline_slot(_edit_rate(clock.frame_rate_hz))
        slot.name = "TC"
        slot["PhysicalTrackNumber"].value = 1
        timecode = self._file.create.Timecode(nominal_rate(clock.frame_rate_hz), drop=clock.drop_frame)
        timecode.start = clock.start_frame if start_frame is None else start_frame
        slot.segment = timecode
        return slot

    def _add_slot(self, composition: Any, track: FlatTrack, number: int, kind: str, rate: Fraction) -> None:
        """A track of the composition: its clips, and fillers where there are none; none for an empty track."""
        clips = list(self._iter_clips(track, kind, rate))
        if not clips:
            return
        slot = composition.create_timeline_slot(_edit_rate(rate))
        slot.name = track.name or f"{'V' if kind == 'picture' else 'A'}{number}"
        slot["PhysicalTrackNumber"].value = number
        sequence = self._file.create.Sequence(media_kind=kind)
        slot.segment = sequence
        cursor = 0
        for start, end, clip in clips:
            if start > cursor:
                sequence.components.append(self._file.create.Filler(kind, start - cursor))
            sequence.components.append(clip)
            cursor = end
        total = _units(self._layout.duration_s, rate)
        if total > cursor:
            sequence.components.append(self._file.create.Filler(kind, total - cursor))
        sequence.length = max(total, cursor)

    def _iter_clips(self, track: FlatTrack, kind: str, rate: Fraction) -> Iterator[tuple[int, int, Any]]:
        """Start, end and clip of each piece that is on, in units of `rate` from the timeline's start."""
        cursor = 0
        for piece in track.pieces:
            path = find_media_file(piece.clip.media_reference, self._base_folder)
            start, end = _units(piece.start_s, rate), _units(piece.end_s, rate)
            if path is None or (kind == "sound" and not is_wave_file(path)):
                continue
            master, slot_id = self._find_master(path, kind, rate)
            if not piece.enabled or not track.track.enabled or end <= max(start, cursor):
                continue  # further takes lie in the bin only
            first = _units(piece.media_low_s - self._ranges[path][0], rate)
            clip = master.create_source_clip(
                slot_id=slot_id, start=first, length=end - start, media_kind=kind
            )
            yield start, end, clip
            cursor = end

    def _find_master(self, path: Path, kind: str, rate: Fraction) -> tuple[Any, int]:
        """The clip of a media file in the bin and its slot, made when first used."""
        key = path, kind
        if key not in self._masters:
            build = self._build_sound if kind == "sound" else self._build_picture
            self._masters[key] = build(path, rate)
        return self._masters[key]

    def _build_picture(self, path: Path, rate: Fraction) -> tuple[Any, int]:
        start_s, end_s = self._ranges[path]
        length = max(1, _units(end_s, rate) - _units(start_s, rate))
        tape = self._new_mob("SourceMob", path, "tape", path.stem)
        tape.descriptor = self._file.create.TapeDescriptor()
        tape_slot = tape.create_empty_slot(_edit_rate(rate), "picture")
        tape_slot.segment.length = length
        self._add_timecode(tape, start_frame=_units(start_s, rate))
        source = self._new_mob("SourceMob", path, "picture file", path.name)
        source.descriptor = build_picture_descriptor(self._file, path, _edit_rate(rate), length)
        return self._chain(path, source, tape, tape_slot, kind="picture", rate=rate, length=length)

    def _build_sound(self, path: Path, rate: Fraction) -> tuple[Any, int]:
        pieces, (start_s, end_s) = self._pieces[path], self._ranges[path]
        header = load_wave_header(path) or WaveHeader(
            num_channels=1, sample_rate_hz=int(rate), bits_per_sample=24
        )
        length = _count_stem_samples(pieces) or max(1, sample_index(end_s - start_s, int(rate)))
        source = self._new_mob("SourceMob", path, "sound file", path.name)
        source.descriptor = build_wave_descriptor(self._file, path, header, length)
        master, slot_id = self._chain(path, source, None, None, kind="sound", rate=rate, length=length)
        facts = next((piece.stem_facts for piece in pieces if piece.stem_facts), {})
        for name in ("prompt", "negative_prompt", "cue"):
            if facts.get(name):
                master.comments[f"Selva {name}"] = str(facts[name])
        return master, slot_id

    def _chain(
        self, path: Path, source: Any, tape: Any, tape_slot: Any, *, kind: str, rate: Fraction, length: int
    ) -> tuple[Any, int]:
        """The file that comes from a tape, or from nowhere, and the clip in the bin that comes from the file."""
        source_slot = source.create_timeline_slot(_edit_rate(rate))
        if tape is not None:
            source_slot.segment = tape.create_source_clip(
                tape_slot.slot_id, start=0, length=length, media_kind=kind
            )
        else:
            source_slot.segment = self._file.create.SourceClip(length=length, media_kind=kind)
        master = self._new_mob("MasterMob", path, f"{kind} clip", path.stem)
        master_slot = master.create_timeline_slot(_edit_rate(rate))
        master_slot.segment = source.create_source_clip(
            source_slot.slot_id, start=0, length=length, media_kind=kind
        )
        return master, master_slot.slot_id

    def _new_mob(self, kind: str, path: Path, role: str, name: str) -> Any:
        """A mob whose identity depends on nothing but the file and its role, so that a host knows it again."""
        mob = getattr(self._file.create, kind)(name)
        identity = mob.mob_id
        identity.material = uuid.uuid5(_MOB_IDS, f"{role}\n{path}")
        mob.mob_id = identity
        self._file.content.mobs.append(mob)
        return mob


def is_wave_file(path: Path) -> bool:
    """Whether AAF can link to a sound file as it is."""
    return path.suffix.lower() in WAVE_SUFFIXES


def _find_sample_rate(tracks: Iterable[FlatTrack]) -> int:
    """The rate sound tracks count in: that of the first stem."""
    for track in tracks:
        for piece in track.pieces:
            rates = [take.get("sample_rate_hz") for take in piece.stem_facts.get("takes", ())]
            if rates and isinstance(rates[0], int) and rates[0] > 0:
                return rates[0]
    return _DEFAULT_SAMPLE_RATE_HZ


def _count_stem_samples(pieces: Iterable[FlatClip]) -> int:
    """The length of a stem's file as it was made; zero for other sound."""
    for piece in pieces:
        for take in piece.stem_facts.get("takes", ()):
            count = take.get("num_samples")
            if take.get("take") == piece.stem_facts.get("active_take") and isinstance(count, int):
                return count
    return 0


def _units(seconds: Fraction, rate: Fraction) -> int:
    """The nearest edit unit to an instant."""
    return math.floor(seconds * rate + Fraction(1, 2))


def _edit_rate(rate: Fraction) -> str:
    return f"{rate.numerator}/{rate.denominator}"


def _count_foreign_sound(timeline: otio.schema.Timeline) -> int:
    files = [
        find_media_file(clip.media_reference, Path())
        for track in timeline.audio_tracks()
        for clip in track.find_clips()
    ]
    return sum(file is not None and not is_wave_file(file) for file in files)


OTHER_SOUND_FILES = Feature(
    name="sound that is no WAV file", words="it is left out", count=_count_foreign_sound
)
