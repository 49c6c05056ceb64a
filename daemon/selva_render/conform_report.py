"""The result of a conform, for people and programs."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from selva_core.audio.wav import describe_cut_off
from selva_core.base.rational import to_pair
from selva_otio.conform.changes import KEPT, ChangeList, ShotChange, StemChange
from selva_otio.conform.cut_shots import CutShot
from selva_otio.conform.plan import ConformPlan
from selva_otio.time.clock import TimelineClock
from selva_otio.timelines import WrittenTimeline
from selva_render.json_outputs import ConformOutput, ShotChangeOutput, ShotRangeOutput, StemChangeOutput
from selva_render.report import RenderReport

CSV_FIELDS = (
    "kind", "changes", "clip", "track", "prompt", "old_in", "old_out", "new_in", "new_out", "source_in", "media",
    "file", "reason",
)  # fmt: skip
WHOLE_COLUMNS = ("CHANGE", "OLD IN", "NEW IN")


def describe_damaged_files(files: Iterable[Path]) -> list[str]:
    """A sentence for each file of a stem that goes along and is cut off; what it lacks is silence in the new cut."""
    sentences = map(describe_cut_off, dict.fromkeys(files))
    return [sentence for sentence in sentences if sentence is not None]


@dataclass(kw_only=True)
class ConformReport:
    """What a conform did, or with `is_dry_run` would do.

    rendered: the result of the render; None where nothing had to be rendered, or nothing was yet. timeline: None in a dry run;
    the first of its parts where a format needs several files. damaged: a sentence for each stem whose file is not whole.
    """

    plan: ConformPlan
    changes: ChangeList
    is_dry_run: bool = False
    num_cross_fades_lost: int = 0
    rendered: RenderReport | None = None
    timeline: Path | None = None
    parts: list[Path] = field(default_factory=list)
    sidecar: Path | None = None
    losses: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def add_written(self, written: WrittenTimeline) -> None:
        self.timeline, *self.parts = (file.absolute() for file in written.files)
        self.sidecar = None if written.sidecar is None else written.sidecar.absolute()
        self.losses = list(written.losses)

    @property
    def has_failed_clips(self) -> bool:
        return self.rendered is not None and bool(self.rendered.failed)

    def iter_notes(self) -> list[str]:
        """Sentences for the user: what could not be kept, and what nothing says a sound for."""
        notes = [*self.plan.warnings, *self.damaged]
        if self.num_cross_fades_lost:
            count = self.num_cross_fades_lost
            notes.append(
                f"{count} cross-fade{'s' if count > 1 else ''} between stems left out: they meet no more"
            )
        bare = self.plan.without_prompt
        if bare:
            names = ", ".join(repr(each.cut.name) for each in bare[:4])
            more = f" and {len(bare) - 4} more" if len(bare) > 4 else ""
            notes.append(
                f"new shots without a sound: {names}{more}; name one with --track NAME=PROMPT or a cue sheet"
            )
        return notes

    def summarise(self) -> str:
        """Counts of shots and stems, in one line."""
        shots = Counter(change for row in self.changes.shots for change in row.changes)
        stems = Counter(action for row in self.changes.stems for action in row.actions)
        return (
            f"shots: {', '.join(f'{number} {name}' for name, number in shots.items())}; "
            f"stems: {', '.join(f'{number} {name}' for name, number in stems.items()) or 'none'}"
        )

    def to_table(self) -> tuple[list[str], list[list[str]]]:
        """Headings and rows: a row per shot that is not where and as it was."""
        headings = ["CHANGE", "CLIP", "OLD IN", "NEW IN", "NEW OUT", "STEMS", "MEDIA"]
        old_clock, new_clock = self.changes.old_clock, self.changes.new_clock
        return headings, [
            [
                ", ".join(row.changes),
                row.name,
                "-" if row.old is None else old_clock.timecode(row.old.record_start_s),
                "-" if row.new is None else new_clock.timecode(row.new.record_start_s),
                "-" if row.new is None else new_clock.timecode(row.new.record_end_s),
                "; ".join(row.stems) or "-",
                row.how or "-",
            ]
            for row in self.changes.shots
            if row.changes != (KEPT,)
        ]

    def to_json(self) -> ConformOutput:
        """One JSON-able object. Rationals are [numerator, denominator]; record times are seconds after each cut's start."""
        return {
            "dry_run": self.is_dry_run,
            "timeline": None if self.timeline is None else str(self.timeline),
            "parts": [str(part) for part in self.parts],
            "sidecar": None if self.sidecar is None else str(self.sidecar),
            "losses": list(self.losses),
            "frame_rate": to_pair(self.changes.new_clock.frame_rate_hz),
            "start_timecode": self.changes.new_clock.timecode(Fraction(0)),
            "shots": [self._describe_shot(row) for row in self.changes.shots],
            "stems": [self._describe_stem(row) for row in self.changes.stems],
            "rendered": [] if self.rendered is None else self.rendered.to_json()["stems"],
            "failed": [] if self.rendered is None else self.rendered.to_json()["failed"],
            "notes": self.iter_notes(),
        }

    def to_csv(self) -> str:
        """A row per shot and per stem, with the headings of CSV_FIELDS."""
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, CSV_FIELDS, restval="", lineterminator="\n")
        writer.writeheader()
        old_clock, new_clock = self.changes.old_clock, self.changes.new_clock
        for row in self.changes.shots:
            writer.writerow(
                {
                    "kind": "shot",
                    "changes": " ".join(row.changes),
                    "clip": row.name,
                    **_labels("old", row.old, old_clock),
                    **_labels("new", row.new, new_clock),
                    "source_in": (row.new or row.old or _NOWHERE).source_label,
                    "media": (row.new or row.old or _NOWHERE).media,
                    "reason": row.how,
                }
            )
        for stem in self.changes.stems:
            writer.writerow(
                {
                    "kind": "stem",
                    "changes": " ".join(stem.actions),
                    "clip": stem.clip,
                    "track": stem.track,
                    "prompt": stem.prompt,
                    "old_in": _label(stem.old_start_s, old_clock),
                    "old_out": _label(stem.old_end_s, old_clock),
                    "new_in": _label(stem.new_start_s, new_clock),
                    "new_out": _label(stem.new_end_s, new_clock),
                    "file": stem.file,
                    "reason": stem.reason,
                }
            )
        return out.getvalue()

    def _describe_shot(self, row: ShotChange) -> ShotChangeOutput:
        return {
            "changes": list(row.changes),
            "clip": row.name,
            "video_track": row.video_track,
            "media": None if row.new is None else row.new.media,
            "relinked": row.how or None,
            "old": None if row.old is None else _describe_range(row.old, self.changes.old_clock),
            "new": None if row.new is None else _describe_range(row.new, self.changes.new_clock),
            "stems": list(row.stems),
        }

    def _describe_stem(self, row: StemChange) -> StemChangeOutput:
        old_clock, new_clock = self.changes.old_clock, self.changes.new_clock
        return {
            "actions": list(row.actions),
            "track": row.track,
            "prompt": row.prompt,
            "clip": row.clip,
            "file": row.file or None,
            "old_start": None if row.old_start_s is None else to_pair(row.old_start_s),
            "old_end": None if row.old_end_s is None else to_pair(row.old_end_s),
            "old_timecode": _label(row.old_start_s, old_clock) or None,
            "new_start": None if row.new_start_s is None else to_pair(row.new_start_s),
            "new_end": None if row.new_end_s is None else to_pair(row.new_end_s),
            "new_timecode": _label(row.new_start_s, new_clock) or None,
            "reason": row.reason or None,
        }


_NOWHERE = CutShot(
    number=0,
    name="",
    media="",
    media_start_s=Fraction(0),
    speed=Fraction(1),
    record_start_s=Fraction(0),
    record_end_s=Fraction(0),
)


def _describe_range(shot: CutShot, clock: TimelineClock) -> ShotRangeOutput:
    return {
        "record_start": to_pair(shot.record_start_s),
        "record_end": to_pair(shot.record_end_s),
        "record_timecode": clock.timecode(shot.record_start_s),
        "record_end_timecode": clock.timecode(shot.record_end_s),
        "source_start": to_pair(shot.media_start_s),
        "source_timecode": shot.source_label,
        "speed": to_pair(shot.speed),
    }


def _label(record_s: Fraction | None, clock: TimelineClock) -> str:
    return "" if record_s is None else clock.timecode(record_s)


def _labels(prefix: str, shot: CutShot | None, clock: TimelineClock) -> dict[str, str]:
    if shot is None:
        return {}
    return {
        f"{prefix}_in": clock.timecode(shot.record_start_s),
        f"{prefix}_out": clock.timecode(shot.record_end_s),
    }
