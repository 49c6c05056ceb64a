"""What `selva render` and `selva stems` do; loads timelines and the client, so only when one of them runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import typer
from selva_otio import CueSheet, SpotOptions, StemTrack, load_timeline, parse_stem_track, spot_timeline
from selva_otio.bare_media import build_media_clock, build_media_timeline
from selva_otio.timelines import check_timeline_target

from selva_core.engine import SamplingSettings
from selva_daemon.cli.progress_bars import RenderBars
from selva_daemon.cli.refusals import EXIT_PARTLY_FAILED, EXIT_REFUSED, refusals
from selva_daemon.client import Client
from selva_daemon.probing import probe_in_process
from selva_daemon.render import check_stems_folder, choose_model, render_sheet, render_timeline
from selva_daemon.render_jobs import RenderSettings
from selva_daemon.render_report import RenderReport


@dataclass(frozen=True, kw_only=True)
class StemOptions:
    """What the command line says about stems, as it was typed."""

    tracks: Sequence[str]
    negatives: Sequence[str]
    takes: int
    seed: int
    model: str | None
    sample_rate_hz: int
    num_steps: int
    guidance: float

    def parse_tracks(self) -> list[StemTrack]:
        """Raises CueError."""
        parsed = [parse_stem_track(text) for text in self.tracks]
        for negative in self.negatives:
            parsed = _say_negative(parsed, negative)
        return parsed

    def build_settings(self, stems_folder: Path) -> RenderSettings:
        """Raises RequestError, UnknownModelError, TimelineWriteError."""
        check_stems_folder(stems_folder)
        return RenderSettings(
            model=choose_model(self.model),
            stems_folder=stems_folder.absolute(),
            num_takes=self.takes,
            seed=self.seed,
            sample_rate_hz=self.sample_rate_hz,
            sampling=SamplingSettings(num_steps=self.num_steps, guidance=self.guidance),
        )


def run_render(
    cut: Path,
    output: Path,
    options: StemOptions,
    *,
    video_track: str | None,
    stems_folder: Path,
    as_json: bool,
) -> None:
    """Everything that can be refused is refused before the daemon is started."""
    with refusals(as_json=as_json):
        tracks = options.parse_tracks()
        timeline = load_timeline(cut)
        check_timeline_target(output, cut)
        settings = options.build_settings(stems_folder)
        sheet = spot_timeline(
            timeline,
            tracks,
            base_folder=cut.absolute().parent,
            options=SpotOptions(video_track=video_track),
        )
        with Client.connect(start_if_needed=True) as client, RenderBars(num_clips=len(sheet.clips)) as bars:
            report = render_timeline(timeline, sheet, settings, output, client=client, on_status=bars)
    _finish(report, as_json=as_json)


def run_stems(
    video: Path, output: Path, options: StemOptions, *, start: str | None, end: str | None, as_json: bool
) -> None:
    with refusals(as_json=as_json):
        tracks = options.parse_tracks()
        settings = options.build_settings(output)
        sheet = spot_media(video, tracks, start=start, end=end)
        with Client.connect(start_if_needed=True) as client, RenderBars(num_clips=1) as bars:
            report = render_sheet(sheet, settings, client=client, timeline_name=video.name, on_status=bars)
    _finish(report, as_json=as_json)


def spot_media(video: Path, tracks: list[StemTrack], *, start: str | None, end: str | None) -> CueSheet:
    """The cue sheet of one media file. Raises MediaError, ClockError, CueError."""
    facts = probe_in_process(video.absolute())
    clock = build_media_clock(facts.frame_rate_hz, facts.timecode)
    timeline = build_media_timeline(
        facts.path,
        clock,
        duration_s=facts.duration_s,
        start_s=Fraction(0) if start is None else clock.parse_moment_s(start),
        end_s=facts.duration_s if end is None else clock.parse_moment_s(end),
    )
    return spot_timeline(timeline, tracks, base_folder=facts.path.parent, clock=clock)


def iter_report_lines(report: RenderReport) -> Iterator[str]:
    """A line per stem, what to know about them, and where the timeline is."""
    clock = report.sheet.clock
    width = max((len(stem.cue.track) for stem in report.stems), default=0)
    for stem in report.stems:
        result = stem.result
        origin = "cached" if result.cached else "new"
        yield (
            f"{stem.cue.track:<{width}}  {clock.timecode(stem.span.start_s)}  "
            f"{float(stem.span.duration_s):7.2f} s  take {result.take}  seed {result.seed}  "
            f"{origin:<6}  {result.file}"
        )
    yield from sorted({f"note: {warning}" for stem in report.stems for warning in stem.result.warnings})
    for clip in report.sheet.clips:
        yield from (f"note: {clip.name!r}: {warning}" for warning in clip.warnings)
    if report.timeline is not None:
        yield f"timeline: {report.timeline}"


def _say_negative(tracks: list[StemTrack], negative: str) -> list[StemTrack]:
    """NAME=TEXT speaks to that track, anything else to all."""
    name, equals, text = negative.partition("=")
    key = name.strip().casefold()
    if equals and any(track.name.casefold() == key for track in tracks):
        return [
            replace(track, negative_prompt=text.strip()) if track.name.casefold() == key else track
            for track in tracks
        ]
    return [replace(track, negative_prompt=negative.strip()) for track in tracks]


def _finish(report: RenderReport, *, as_json: bool) -> None:
    """Print what came of it, and leave with the status that says so."""
    if as_json:
        sys.stdout.write(json.dumps(report.to_json()) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in iter_report_lines(report))
    clock = report.sheet.clock
    for item in report.skipped:
        where = clock.timecode(item.record_start_s)
        sys.stderr.write(f"selva: skipped {item.name!r} at {where}: {item.reason}\n")
    for failed in report.failed:
        where = clock.timecode(failed.record_start_s)
        sys.stderr.write(f"selva: {failed.name!r} at {where} failed: {failed.message}\n")
    if report.failed:
        raise typer.Exit(EXIT_PARTLY_FAILED if report.stems else EXIT_REFUSED)
