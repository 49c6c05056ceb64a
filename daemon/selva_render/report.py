"""The result of a render, for people and programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from selva_core.base.errors import SelvaError
from selva_core.base.rational import to_pair
from selva_daemon.protocol.status import StemResult
from selva_otio import Cue, CueSheet, PlacementResult, SkippedItem, SpottedClip, StemSpan, TimelineClock
from selva_otio.timelines import WrittenTimeline
from selva_render.json_outputs import HintOutput, RenderOutput, SkippedOutput, StemOutput


@dataclass(frozen=True, kw_only=True)
class RenderedStem:
    """A stem that the daemon made, with the cue it is for and where it lies on the timeline."""

    cue: Cue
    span: StemSpan
    result: StemResult


@dataclass(frozen=True, kw_only=True)
class FailedClip:
    """A clip that got no stems, and why; `code` is that of the error."""

    name: str
    video_track: str
    record_start_s: Fraction
    code: str
    message: str

    @classmethod
    def of(cls, clip: SpottedClip, error: SelvaError) -> FailedClip:
        return cls(
            name=clip.name,
            video_track=clip.video_track,
            record_start_s=clip.record_start_s,
            code=error.code,
            message=error.message,
        )

    @classmethod
    def of_skipped(cls, item: SkippedItem) -> FailedClip:
        return cls(
            name=item.name,
            video_track=item.track_name,
            record_start_s=item.record_start_s,
            code="clip-unusable",
            message=item.reason,
        )


@dataclass(kw_only=True)
class RenderReport:
    """The result of a render.

    skipped: items that have no picture and are meant to have none. edited_cues: cues whose stem on the timeline an editor has
    changed; that one stays, and the new one lies in the stems folder only. timeline: None when none was to be written or no
    stem was made; the first of its parts where a format needs several files. parts: the others. sidecar: what the timeline's
    file does not keep of the stems. losses: what else of the timeline is not in its file.

    hints: of each stem by its file, what was measured of it (see `selva_render.takes.hints`). best_takes: by cue, the take that
    the hints put first. hint_lines: the hints of each stem of which more is known than its peak, as a line for people.
    """

    sheet: CueSheet
    model: str
    stems_folder: Path
    stems: list[RenderedStem] = field(default_factory=list)
    skipped: list[SkippedItem] = field(default_factory=list)
    failed: list[FailedClip] = field(default_factory=list)
    edited_cues: list[Cue] = field(default_factory=list)
    timeline: Path | None = None
    parts: list[Path] = field(default_factory=list)
    sidecar: Path | None = None
    losses: list[str] = field(default_factory=list)
    hints: dict[str, list[HintOutput]] = field(default_factory=dict)
    hint_lines: list[str] = field(default_factory=list)
    best_takes: dict[str, int] = field(default_factory=dict)

    def add(self, other: RenderReport) -> None:
        """Add the stems of another render of the same timeline."""
        self.stems += other.stems
        self.failed += other.failed
        self.hints |= other.hints
        self.hint_lines += other.hint_lines
        self.best_takes |= other.best_takes
        self.sort()

    def sort(self) -> None:
        """Stems and failures in record order, whichever was done first."""
        self.stems.sort(key=lambda stem: (stem.span.start_s, stem.cue.track, stem.result.take))
        self.failed.sort(key=lambda failed: failed.record_start_s)

    def add_timeline(self, placement: PlacementResult, written: WrittenTimeline) -> None:
        """Add where the timeline with the stems is, and which stems have no place on it."""
        self.edited_cues = list(placement.edited_cues)
        self.timeline, *self.parts = (file.absolute() for file in written.files)
        self.sidecar = None if written.sidecar is None else written.sidecar.absolute()
        self.losses = list(written.losses)

    def to_json(self) -> RenderOutput:
        """One JSON-able object. Rationals are [numerator, denominator]; record times are seconds after the
        timeline's start."""
        clock = self.sheet.clock
        return {
            "model": self.model,
            "timeline": None if self.timeline is None else str(self.timeline),
            "parts": [str(part) for part in self.parts],
            "sidecar": None if self.sidecar is None else str(self.sidecar),
            "losses": list(self.losses),
            "stems_folder": str(self.stems_folder),
            "frame_rate": to_pair(clock.frame_rate_hz),
            "start_timecode": clock.timecode(Fraction(0)),
            "stems": [self._describe_stem(stem) for stem in self.stems],
            "skipped": [describe_skipped(item, clock) for item in self.skipped],
            "failed": [
                {
                    "clip": clip.name,
                    "video_track": clip.video_track,
                    "record_start": to_pair(clip.record_start_s),
                    "record_timecode": clock.timecode(clip.record_start_s),
                    "code": clip.code,
                    "message": clip.message,
                }
                for clip in self.failed
            ],
            "kept": [
                {
                    "track": cue.track,
                    "cue": cue.id,
                    "clip": cue.clip.name,
                    "record_start": to_pair(cue.clip.record_start_s),
                    "record_timecode": clock.timecode(cue.clip.record_start_s),
                }
                for cue in self.edited_cues
            ],
            "warnings": list(self.sheet.warnings),
        }

    def _describe_stem(self, stem: RenderedStem) -> StemOutput:
        clock, clip, result = self.sheet.clock, stem.cue.clip, stem.result
        return {
            "track": stem.cue.track,
            "take": result.take,
            "cue": stem.cue.id,
            "clip": clip.name,
            "prompt": stem.cue.prompt,
            "negative_prompt": stem.cue.negative_prompt,
            "gain_db": stem.cue.gain_db,
            "file": result.file,
            "record_start": to_pair(stem.span.start_s),
            "record_timecode": clock.timecode(stem.span.start_s),
            "duration": to_pair(stem.span.duration_s),
            "source_start": to_pair(clip.media_start_s),
            "source_timecode": clip.source_timecode,
            "sample_rate_hz": result.sample_rate_hz,
            "num_samples": result.num_samples,
            "start_sample": stem.span.start_sample,
            "offset_samples": stem.span.offset_samples,
            "seed": result.seed,
            "cached": result.cached,
            "presence": result.presence,
            "evidence": result.evidence,
            "silenced": result.silenced,
            "hints": self.hints.get(result.file),
            "num_channels": result.num_channels,
            "pan": [list(point) for point in result.pan],
            "warnings": [*clip.warnings, *result.warnings],
        }


def describe_skipped(item: SkippedItem, clock: TimelineClock) -> SkippedOutput:
    """An item that no sound is made for, as JSON-able values."""
    return {
        "clip": item.name,
        "video_track": item.track_name,
        "record_start": to_pair(item.record_start_s),
        "record_timecode": clock.timecode(item.record_start_s),
        "reason": item.reason,
    }


def iter_failure_lines(failed: Iterable[FailedClip], clock: TimelineClock) -> Iterator[str]:
    """A line per reason, not per clip: a model that is not installed fails a hundred clips in one way."""
    by_message: dict[str, list[FailedClip]] = {}
    for clip in failed:
        by_message.setdefault(clip.message, []).append(clip)
    for message, clips in by_message.items():
        where = clock.timecode(clips[0].record_start_s)
        others = f" and {len(clips) - 1} more" if len(clips) > 1 else ""
        yield f"{clips[0].name!r} at {where}{others} failed: {message}"
