"""What an overview shows, collected from a rendered timeline: frames of its picture and the envelopes of its stems."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import opentimelineio as otio
import soundfile

from selva_core.base.command_line import selva_command
from selva_core.base.errors import MediaError
from selva_core.base.evidence import EVIDENCE_SUFFIX, Evidence
from selva_core.base.media import PictureRange
from selva_core.base.rational import from_pair
from selva_core.video.frames import iter_frames
from selva_otio import CueSheet, SpottedClip, StemTrack, load_timeline, spot_timeline
from selva_otio.errors import NothingToSpotError
from selva_otio.metadata import SELVA_NAMESPACE
from selva_otio.picture.media import resolve_media_path
from selva_otio.picture.staged_media import locate_staged
from selva_render.overview import DrawnStem, SeenFrame, StemRow, StripFrame

NUM_COLUMNS = 1600
NUM_STRIP_FRAMES = 12
_THUMBNAIL_PX = 160


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Everything that is drawn. missing: media and stems that are not where the timeline says."""

    title: str
    strip: tuple[StripFrame, ...]
    rows: tuple[StemRow, ...]
    end_s: float
    missing: tuple[str, ...]


def collect_overview(timeline_path: Path) -> Overview:
    """Read a timeline that `selva render` wrote.

    Raises TimelineError when it cannot be read or holds no stems.
    """
    timeline = load_timeline(timeline_path)
    folder = timeline_path.absolute().parent
    stem_tracks = [track for track in timeline.audio_tracks() if SELVA_NAMESPACE in track.metadata]
    if not stem_tracks:
        raise NothingToSpotError(
            f"{timeline_path.name} has no stem tracks; make them first with: "
            f"{selva_command('render', 'CUT.otio', '-o', timeline_path.name, '--track', 'Dog=small dog barking')}"
        )
    names = dict.fromkeys(str(track.name) for track in stem_tracks)
    sheet = spot_timeline(
        timeline,
        [StemTrack(name=name, prompt=name) for name in names],
        base_folder=folder,
    )
    end_s = max(clip.record_end_s for clip in sheet.clips)
    missing: list[str] = []
    strip = tuple(_iter_strip(sheet, end_s, missing))
    rows = tuple(_collect_row(track, folder, end_s, strip, missing) for track in stem_tracks)
    return Overview(
        title=f"{timeline.name or timeline_path.stem} — {_count(len(sheet.clips), 'clip')}, {_count(len(rows), 'stem track')}",
        strip=strip,
        rows=rows,
        end_s=float(end_s),
        missing=tuple(missing),
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _iter_strip(sheet: CueSheet, end_s: Fraction, missing: list[str]) -> Iterator[StripFrame]:
    for clip in sheet.clips:
        count = max(1, round(clip.duration_s / end_s * NUM_STRIP_FRAMES))
        try:
            yield from _strip_of(clip, count)
        except MediaError as error:
            missing.append(error.message)


def _strip_of(clip: SpottedClip, count: int) -> Iterator[StripFrame]:
    """`count` frames spread evenly over a clip, each shown over its share of the axis."""
    step_s = clip.duration_s / count
    picture = PictureRange(
        path=locate_staged(clip.media_path),
        start_s=clip.media_start_s,
        duration_s=clip.duration_s,
        speed=clip.speed,
        images=clip.images,
    )
    frames = iter_frames(picture, size_px=_THUMBNAIL_PX, num_frames=count, frame_rate_hz=1 / step_s)
    for index, rgb in enumerate(frames):
        start_s = clip.record_start_s + step_s * index
        yield StripFrame(record_start_s=float(start_s), record_end_s=float(start_s + step_s), rgb=rgb)


def _collect_row(
    track: otio.schema.Track,
    folder: Path,
    end_s: Fraction,
    strip: Sequence[StripFrame],
    missing: list[str],
) -> StemRow:
    stems: list[DrawnStem] = []
    seen: list[SeenFrame] = []
    prompts: dict[str, None] = {}
    for item in track.find_clips():
        stem = item.metadata.get(SELVA_NAMESPACE)
        if stem is None:
            continue
        prompts[str(stem["prompt"])] = None
        path = locate_staged(resolve_media_path(item.media_reference.target_url, folder))
        start_s, duration_s = from_pair(stem["record_start_s"]), from_pair(stem["duration_s"])
        num_columns = max(2, round(duration_s / end_s * NUM_COLUMNS))
        try:
            envelope = read_envelope(path, duration_s, num_columns)
        except soundfile.LibsndfileError:
            missing.append(f"there is no stem {path}")
            continue
        evidence = _read_evidence(path)
        sight = None if evidence is None else _Sight(evidence, _file_offset_s(item), float(start_s))
        drawn = DrawnStem(
            record_start_s=float(start_s),
            record_end_s=float(start_s + duration_s),
            envelope=envelope,
            presence=None if sight is None else sight.presence(float(duration_s)),
            is_silenced=evidence is not None and evidence.is_absent and not envelope.any(),
            file=path,
        )
        stems.append(drawn)
        if sight is not None:
            seen += sight.seen_frames(strip, drawn)
    return StemRow(track=str(track.name), prompt=", ".join(prompts), stems=tuple(stems), seen=tuple(seen))


def _file_offset_s(item: otio.schema.Clip) -> float:
    """Where in its file a stem begins: after the handle."""
    if item.source_range is None:
        return 0.0
    first = item.media_reference.available_range
    start = item.source_range.start_time
    return float((start - first.start_time if first is not None else start).to_seconds())


def _read_evidence(stem: Path) -> Evidence | None:
    """The evidence beside a stem; None where there is none that can be read, as beside stems of an earlier version."""
    try:
        return Evidence.from_json(json.loads(stem.with_suffix(EVIDENCE_SUFFIX).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


@dataclass(frozen=True)
class _Sight:
    """Evidence on the timeline: its file begins `offset_s` before `record_start_s`."""

    evidence: Evidence
    offset_s: float
    record_start_s: float

    def presence(self, duration_s: float) -> npt.NDArray[np.float32]:
        first, last = self._steps(0.0, duration_s)
        return np.asarray(self.evidence.presence[first:last], np.float32)

    def seen_frames(self, strip: Sequence[StripFrame], stem: DrawnStem) -> Iterator[SeenFrame]:
        """The pictures of the strip during the stem, with the mean of the map over each; its strongest place is as strong as the
        presence.
        """
        evidence = self.evidence
        heat = np.frombuffer(evidence.heat, np.uint8).reshape(-1, evidence.rows, evidence.columns) / 255.0
        presence = np.asarray(evidence.presence)
        for frame in strip:
            start_s = max(frame.record_start_s, stem.record_start_s) - self.record_start_s
            end_s = min(frame.record_end_s, stem.record_end_s) - self.record_start_s
            if end_s <= start_s:
                continue
            first, last = self._steps(start_s, end_s)
            mean_heat = heat[first:last].mean(axis=0)
            strength = presence[first:last].mean() / max(float(mean_heat.max()), 1e-6)
            yield SeenFrame(frame=frame, heat=np.asarray(mean_heat * strength, np.float32))

    def _steps(self, start_s: float, end_s: float) -> tuple[int, int]:
        """First and past-the-last time step of a time after the stem's record start; at least one."""
        rate_hz, num_steps = float(self.evidence.rate_hz), len(self.evidence.presence)
        first = min(int((self.offset_s + start_s) * rate_hz), num_steps - 1)
        return first, max(min(round((self.offset_s + end_s) * rate_hz), num_steps), first + 1)


def read_envelope(path: Path, duration_s: Fraction, num_columns: int) -> npt.NDArray[np.float32]:
    """Lowest and highest sample of each column over the first `duration_s` of a mono file: float32 (2, columns).

    Reads block by block, so that a long stem is never in memory whole. Raises soundfile.LibsndfileError.
    """
    with soundfile.SoundFile(path) as sound:
        num_samples = min(len(sound), int(duration_s * sound.samplerate))
        block_samples = max(1, num_samples // num_columns)
        rows = [
            (float(block.min()), float(block.max()))
            for block in sound.blocks(block_samples, frames=num_samples, dtype="float32", always_2d=True)
        ]
    columns: npt.NDArray[np.float32] = np.asarray(rows or [(0.0, 0.0)], dtype=np.float32).T
    return columns
