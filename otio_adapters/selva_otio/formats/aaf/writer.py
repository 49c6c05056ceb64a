"""A timeline as AAF: one composition, its video tracks counted in frames and its audio tracks in samples.

Each media file is a chain of mobs, as the AAF Edit Protocol has it: the clip in the bin (master mob), the file (source mob with a
locator) and, for video, the tape with its timecode. Audio tracks have the sample rate as edit rate because
an edit unit is a whole number: counted in frames, a stem at 29.97 would start up to 800 samples beside its place. Stems stay WAV
files beside the AAF, to which hosts link; embedded sound is not read everywhere (pyaaf2 issue 103).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_core.base.atomic_write import staged_file
from selva_core.base.command_line import pip_install_command
from selva_core.base.rational import round_half_up
from selva_otio.errors import TimelineWriteError, UnsupportedFormatError
from selva_otio.formats.aaf.descriptors import build_picture_descriptor, build_wave_descriptor
from selva_otio.formats.aaf.track_pan import TrackPan
from selva_otio.formats.feature_loss import Feature
from selva_otio.formats.flat_layout import (
    FlatClip,
    FlatTimeline,
    FlatTrack,
    find_media_file,
    flatten_timeline,
    media_range_s,
)
from selva_otio.formats.options import Destination
from selva_otio.formats.wave_headers import WaveHeader, load_wave_header
from selva_otio.time.clock import nominal_rate, sample_index

WAVE_SUFFIXES = frozenset([".wav", ".wave", ".bwf"])
_MOB_ID_SPACE = uuid.UUID("5e1fa0b0-7c1d-4f0e-9a52-2d6c9d0f3a11")
_DEFAULT_SAMPLE_RATE_HZ = 48_000


def write_aaf(timeline: otio.schema.Timeline, destination: Destination) -> Sequence[Path]:
    """Write a timeline as AAF, whole or not at all.

    Raises UnsupportedFormatError without pyaaf2, TimelineWriteError, TimelineReadError.
    """
    try:
        import aaf2  # noqa: PLC0415 - an optional package
    except ImportError as error:
        raise UnsupportedFormatError(
            f"writing AAF needs pyaaf2; install it with: {pip_install_command('pyaaf2')}"
        ) from error
    flat_timeline = flatten_timeline(timeline)
    with (
        staged_file(destination.target, error=TimelineWriteError) as temporary,
        aaf2.open(str(temporary), "w") as file,
    ):
        _Composition(file, flat_timeline, destination.base_folder).build(
            timeline.name or destination.target.stem
        )
    return [destination.target]


class _Composition:
    """One AAF file while it is built."""

    def __init__(self, file: Any, flat_timeline: FlatTimeline, base_folder: Path) -> None:
        self._file = file
        self._flat_timeline = flat_timeline
        self._clock = flat_timeline.clock
        self._base_folder = base_folder
        self._pan = TrackPan(file)
        self._clips_of_file: dict[Path, list[FlatClip]] = {}
        self._masters: dict[tuple[Path, str], tuple[Any, int]] = {}
        for track in flat_timeline.tracks:
            for flat_clip in track.clips:
                path = find_media_file(flat_clip.clip.media_reference, base_folder)
                if path is not None:
                    self._clips_of_file.setdefault(path, []).append(flat_clip)
        self._ranges = {
            path: media_range_s(flat_clips[0].clip.media_reference, flat_clips)
            for path, flat_clips in self._clips_of_file.items()
        }

    def build(self, name: str) -> None:
        """Write the composition and the mobs of its media."""
        composition = self._file.create.CompositionMob(name)
        composition.usage = "Usage_TopLevel"
        self._file.content.mobs.append(composition)
        self._add_timecode(composition)
        for number, track in enumerate(self._flat_timeline.picture_tracks, start=1):
            self._add_slot(composition, track, number, "picture", self._clock.frame_rate_hz)
        sample_rate_hz = _find_sample_rate(self._flat_timeline.sound_tracks)
        for number, track in enumerate(self._flat_timeline.sound_tracks, start=1):
            self._add_slot(composition, track, number, "sound", Fraction(sample_rate_hz))

    def _add_timecode(self, mob: Any, *, start_frame: int | None = None) -> Any:
        """A timecode track on a mob, by default with the start of the timeline."""
        clock = self._clock
        slot = mob.create_timeline_slot(_edit_rate(clock.frame_rate_hz))
        slot.name = "TC"
        slot["PhysicalTrackNumber"].value = 1
        timecode = self._file.create.Timecode(nominal_rate(clock.frame_rate_hz), drop=clock.drop_frame)
        timecode.start = clock.start_frame if start_frame is None else start_frame
        slot.segment = timecode
        return slot

    def _add_slot(self, composition: Any, track: FlatTrack, number: int, kind: str, rate: Fraction) -> None:
        """Add a track with its clips, and fillers between them. An empty track is left out."""
        clips = list(self._iter_clips(track, kind, rate))
        if not clips:
            return
        slot = composition.create_timeline_slot(_edit_rate(rate))
        slot.name = track.name or f"{'V' if kind == 'picture' else 'A'}{number}"
        slot["PhysicalTrackNumber"].value = number
        sequence = self._file.create.Sequence(media_kind=kind)
        cursor = 0
        for start, end, clip in clips:
            if start > cursor:
                sequence.components.append(self._file.create.Filler(kind, start - cursor))
            sequence.components.append(clip)
            cursor = end
        total = _units(self._flat_timeline.duration_s, rate)
        if total > cursor:
            sequence.components.append(self._file.create.Filler(kind, total - cursor))
        sequence.length = max(total, cursor)
        slot.segment = (
            sequence
            if track.is_picture
            else self._pan.wrap(track, sequence, length=sequence.length, rate_hz=rate)
        )

    def _iter_clips(self, track: FlatTrack, kind: str, rate: Fraction) -> Iterator[tuple[int, int, Any]]:
        """Start, end and source clip of each enabled clip, in edit units of `rate` from the start of the timeline."""
        cursor = 0
        for flat_clip in track.clips:
            path = find_media_file(flat_clip.clip.media_reference, self._base_folder)
            start, end = _units(flat_clip.start_s, rate), _units(flat_clip.end_s, rate)
            if path is None or (kind == "sound" and not is_wave_file(path)):
                continue
            master, slot_id = self._find_master(path, kind, rate)
            if not flat_clip.enabled or not track.track.enabled or end <= max(start, cursor):
                continue  # AAF has no disabled clips; the master mob puts a silent take into the bin all the same
            first = _units(flat_clip.media_low_s - self._ranges[path][0], rate)
            clip = master.create_source_clip(
                slot_id=slot_id, start=first, length=end - start, media_kind=kind
            )
            yield start, end, clip
            cursor = end

    def _find_master(self, path: Path, kind: str, rate: Fraction) -> tuple[Any, int]:
        """The master mob of a media file and its slot, made at the first use."""
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
        flat_clips, (start_s, end_s) = self._clips_of_file[path], self._ranges[path]
        header = load_wave_header(path) or WaveHeader(
            num_channels=1, sample_rate_hz=int(rate), bits_per_sample=24
        )
        length = _count_stem_samples(flat_clips) or max(1, sample_index(end_s - start_s, int(rate)))
        source = self._new_mob("SourceMob", path, "sound file", path.name)
        source.descriptor = build_wave_descriptor(self._file, path, header, length)
        master, slot_id = self._chain(path, source, None, None, kind="sound", rate=rate, length=length)
        stem = next((flat_clip.stem_metadata for flat_clip in flat_clips if flat_clip.stem_metadata), {})
        for name in ("prompt", "negative_prompt", "cue"):
            if stem.get(name):
                master.comments[f"Selva {name}"] = str(stem[name])
        return master, slot_id

    def _chain(
        self, path: Path, source: Any, tape: Any, tape_slot: Any, *, kind: str, rate: Fraction, length: int
    ) -> tuple[Any, int]:
        """Derive the file from its tape, where it has one, and a master mob from the file. Gives the master and its slot."""
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
        """A mob whose id depends on the path and the role only, so that a second import relinks to the same media."""
        mob = getattr(self._file.create, kind)(name)
        identity = mob.mob_id
        identity.material = uuid.uuid5(_MOB_ID_SPACE, f"{role}\n{path}")
        mob.mob_id = identity
        self._file.content.mobs.append(mob)
        return mob


def is_wave_file(path: Path) -> bool:
    """Whether hosts link to a sound file from an AAF: they do to WAV only."""
    return path.suffix.lower() in WAVE_SUFFIXES


def _find_sample_rate(tracks: Iterable[FlatTrack]) -> int:
    """The edit rate of audio tracks: the sample rate of the first stem."""
    for track in tracks:
        for flat_clip in track.clips:
            rates = [take.get("sample_rate_hz") for take in flat_clip.stem_metadata.get("takes", ())]
            if rates and isinstance(rates[0], int) and rates[0] > 0:
                return rates[0]
    return _DEFAULT_SAMPLE_RATE_HZ


def _count_stem_samples(flat_clips: Iterable[FlatClip]) -> int:
    """The length of a stem's file as it was rendered; 0 for other sound."""
    for flat_clip in flat_clips:
        for take in flat_clip.stem_metadata.get("takes", ()):
            count = take.get("num_samples")
            if take.get("take") == flat_clip.stem_metadata.get("active_take") and isinstance(count, int):
                return count
    return 0


def _units(seconds: Fraction, rate: Fraction) -> int:
    """The nearest edit unit to an instant."""
    return round_half_up(seconds * rate)


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
    name="sound that is not WAV", consequence="it is left out", count=_count_foreign_sound
)
