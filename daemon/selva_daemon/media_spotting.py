"""The cue sheet of a media file without a cut."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from selva_otio import CueSheet, CueSheetRow, StemTrack, spot_timeline
from selva_otio.bare_media import build_media_clock, build_media_timeline

from selva_daemon.probing import probe_in_process


def spot_media(
    video: Path,
    tracks: Iterable[StemTrack] = (),
    *,
    rows: Iterable[CueSheetRow] = (),
    start: str | None = None,
    end: str | None = None,
) -> CueSheet:
    """The cues of a file, or of its part from `start` to `end`. Raises MediaError, ClockError, CueError."""
    facts = probe_in_process(video.absolute())
    clock = build_media_clock(facts.frame_rate_hz, facts.timecode)
    timeline = build_media_timeline(
        facts.path,
        clock,
        duration_s=facts.duration_s,
        start_s=Fraction(0) if start is None else clock.parse_moment_s(start),
        end_s=facts.duration_s if end is None else clock.parse_moment_s(end),
    )
    return spot_timeline(timeline, tracks, base_folder=facts.path.parent, rows=rows, clock=clock)
