"""What `selva spot` shows: the cue sheet before anything is rendered."""

from __future__ import annotations

import csv
import glob
import io
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from selva_core.base.errors import SelvaError
from selva_core.base.rational import to_pair
from selva_daemon.client.client import Client
from selva_daemon.protocol.status import StemResult
from selva_otio import Cue, CueSheet
from selva_otio.cues.sheet_files import FIELDS, SHOWN_FIELDS
from selva_render.json_outputs import CueOutput, SpotOutput
from selva_render.report import describe_skipped

ESTIMATE_FROM_JOBS = 50
WHOLE_COLUMNS = ("IN", "OUT", "SOURCE", "SECONDS", "EST. S", "SEEN")
"""Columns that a narrow terminal does not shorten: a time without its end is of no use."""


def estimate_seconds_per_stem(client: Client, model: str) -> float | None:
    """How long the last stems of that model took, without waiting in the queue; None when none was made. Raises DaemonError."""
    jobs = [job for job in client.jobs(states=["done"], limit=ESTIMATE_FROM_JOBS) if job.model == model]
    spans = [
        (job.finished_s - job.started_s, job.num_stems)
        for job in jobs
        if job.finished_s is not None and job.started_s is not None
    ]
    num_stems = sum(count for _, count in spans)
    return sum(seconds for seconds, _ in spans) / num_stems if num_stems else None


def estimate_from_running_daemon(model: str) -> float | None:
    """The same from the daemon that runs; None, and none is started, when none runs."""
    try:
        with Client.connect() as client:
            return estimate_seconds_per_stem(client, model)
    except SelvaError:
        return None


@dataclass(frozen=True, kw_only=True)
class SpotReport:
    """A cue sheet for people and programs. seconds_per_stem: an estimate, None when there is none. looked: by cue, what the model
    saw of it; None where nothing was looked at.
    """

    sheet: CueSheet
    num_takes: int
    seconds_per_stem: float | None = None
    looked: Mapping[str, StemResult] | None = None

    def to_json(self) -> SpotOutput:
        """One JSON-able object. Rationals are [numerator, denominator]; record times are seconds after the
        timeline's start, source times are on the file's own clock.
        """
        clock = self.sheet.clock
        return {
            "frame_rate": to_pair(clock.frame_rate_hz),
            "start_timecode": clock.timecode(Fraction(0)),
            "cues": [self._describe(cue) for cue in self.sheet.cues],
            "left_out": [
                {**describe_skipped(item, clock), "is_fault": item.is_fault} for item in self.sheet.skipped
            ],
            "warnings": list(self.sheet.warnings),
        }

    def to_csv(self) -> str:
        """The same as a cue sheet file, which can be edited and given to --cues."""
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, [*FIELDS, *SHOWN_FIELDS], lineterminator="\n")
        writer.writeheader()
        clock = self.sheet.clock
        for cue in self.sheet.cues:
            clip = cue.clip
            writer.writerow(
                {
                    "track": cue.track,
                    "prompt": cue.prompt,
                    "negative": cue.negative_prompt,
                    "clip": glob.escape(clip.name),
                    "from": clock.timecode(clip.record_start_s),
                    "to": clock.timecode(clip.record_end_s),
                    "takes": cue.num_takes or "",
                    "gain_db": cue.gain_db or "",
                    "cue": cue.id,
                    "source": cue.source,
                    "source_in": clip.source_timecode,
                    "source_out": clip.source_end_timecode,
                    "seconds": f"{float(clip.sound_duration_s):.3f}",
                    "estimate": _rounded(self._estimate_s(cue)),
                    "warnings": "; ".join(self._warnings_of(cue)),
                }
            )
        return out.getvalue()

    def to_table(self) -> tuple[list[str], list[list[str]]]:
        """Headings and rows."""
        headings = [
            "CUE",
            "TRACK",
            "PROMPT",
            "IN",
            "OUT",
            "CLIP",
            "SOURCE",
            "SECONDS",
            "EST. S",
            *([] if self.looked is None else ["SEEN"]),
            "FROM",
            "WARNINGS",
        ]
        clock = self.sheet.clock
        return headings, [
            [
                cue.id,
                cue.track,
                cue.prompt,
                clock.timecode(cue.clip.record_start_s),
                clock.timecode(cue.clip.record_end_s),
                cue.clip.name,
                f"{cue.clip.source_timecode} - {cue.clip.source_end_timecode}",
                f"{float(cue.clip.sound_duration_s):.2f}",
                _rounded(self._estimate_s(cue)) or "-",
                *([] if self.looked is None else [_presence_text(self._presence_of(cue))]),
                cue.source,
                "; ".join(self._warnings_of(cue)),
            ]
            for cue in self.sheet.cues
        ]

    def summarise(self) -> str:
        """How much is to be made, in one line."""
        cues = self.sheet.cues
        num_stems = sum(cue.num_takes or self.num_takes for cue in cues)
        seconds = sum(
            (cue.clip.sound_duration_s * (cue.num_takes or self.num_takes) for cue in cues), Fraction(0)
        )
        counts = ", ".join(
            (
                _count(len(cues), "cue"),
                _count(len(self.sheet.tracks), "track"),
                _count(len(self.sheet.clips), "shot"),
                _count(num_stems, "stem"),
            )
        )
        estimates = [self._estimate_s(cue) for cue in cues]
        known = [estimate for estimate in estimates if estimate is not None]
        ending = f", about {sum(known):.0f} s to make" if known else ""
        return f"{counts}; {float(seconds):.1f} s of sound{ending}"

    def _estimate_s(self, cue: Cue) -> float | None:
        if self.seconds_per_stem is None:
            return None
        return self.seconds_per_stem * (cue.num_takes or self.num_takes)

    def _presence_of(self, cue: Cue) -> float | None:
        result = None if self.looked is None else self.looked.get(cue.id)
        return None if result is None else result.presence

    def _warnings_of(self, cue: Cue) -> list[str]:
        result = None if self.looked is None else self.looked.get(cue.id)
        return [*cue.clip.warnings, *(() if result is None else result.warnings)]

    def _describe(self, cue: Cue) -> CueOutput:
        clock, clip = self.sheet.clock, cue.clip
        described: CueOutput = {
            "cue": cue.id,
            "track": cue.track,
            "prompt": cue.prompt,
            "negative_prompt": cue.negative_prompt,
            "takes": cue.num_takes or self.num_takes,
            "gain_db": cue.gain_db,
            "asked_by": cue.source,
            "clip": clip.name,
            "video_track": clip.video_track,
            "media": str(clip.media_path),
            "record_start": to_pair(clip.record_start_s),
            "record_end": to_pair(clip.record_end_s),
            "record_timecode": clock.timecode(clip.record_start_s),
            "record_end_timecode": clock.timecode(clip.record_end_s),
            "source_start": to_pair(clip.media_start_s),
            "speed": to_pair(clip.speed),
            "source_timecode": clip.source_timecode,
            "source_end_timecode": clip.source_end_timecode,
            "sound_duration": to_pair(clip.sound_duration_s),
            "estimate_s": self._estimate_s(cue),
            "warnings": self._warnings_of(cue),
        }
        if self.looked is not None:
            described["presence"] = self._presence_of(cue)
        return described


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _rounded(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}"


def _presence_text(presence: float | None) -> str:
    return "-" if presence is None else f"{presence:.2f}"
