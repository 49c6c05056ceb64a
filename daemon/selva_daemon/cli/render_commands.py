"""What `selva render`, `stems` and `spot` do; loads timelines and the client, so only when one of them runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import typer
from selva_otio import (
    CueSheet,
    SpotOptions,
    StemTrack,
    load_cue_sheet,
    parse_stem_track,
    spot_timeline,
)
from selva_otio.clock import parse_rate, parse_seconds
from selva_otio.image_sequences import ImageRun
from selva_otio.timelines import OpenTimeline, check_timeline_target, open_timeline

from selva_core.engine import SamplingSettings
from selva_daemon.cli.console import say_table
from selva_daemon.cli.progress_bars import RenderBars
from selva_daemon.cli.refusals import EXIT_PARTLY_FAILED, EXIT_REFUSED, refusals
from selva_daemon.client import Client
from selva_daemon.media_spotting import spot_media
from selva_daemon.render import check_stems_folder, choose_model, render_sheet, render_timeline
from selva_daemon.render_jobs import RenderSettings
from selva_daemon.render_report import RenderReport, iter_failure_lines
from selva_daemon.spot_report import SpotReport, ask_running_daemon


@dataclass(frozen=True, kw_only=True)
class SpottingChoices:
    """What the command line says about what is heard where, as it was typed."""

    tracks: Sequence[str] = ()
    negatives: Sequence[str] = ()
    cues: Path | None = None
    video_track: str | None = None
    handles: str = "0"
    use_markers: bool = True
    marker_colour: str = "MAGENTA"

    def parse_tracks(self) -> list[StemTrack]:
        """Raises CueError."""
        parsed = [parse_stem_track(text) for text in self.tracks]
        for negative in self.negatives:
            parsed = _say_negative(parsed, negative)
        return parsed

    def spot(self, opened: OpenTimeline) -> CueSheet:
        """The cue sheet of a timeline. Raises TimelineError."""
        return spot_timeline(
            opened.timeline,
            self.parse_tracks(),
            base_folder=opened.base_folder,
            rows=() if self.cues is None else load_cue_sheet(self.cues),
            options=SpotOptions(
                video_track=self.video_track,
                handles_s=parse_seconds(self.handles),
                use_markers=self.use_markers,
                marker_colour=self.marker_colour,
            ),
        )


@dataclass(frozen=True, kw_only=True)
class MakingChoices:
    """What the command line says about how stems are made."""

    takes: int
    seed: int
    model: str | None
    sample_rate_hz: int
    num_steps: int
    guidance: float

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
    spotting: SpottingChoices,
    making: MakingChoices,
    *,
    stems_folder: Path,
    as_json: bool,
) -> None:
    """Everything that can be refused is refused before the daemon is started."""
    with refusals(as_json=as_json), open_timeline(cut) as opened:
        check_timeline_target(output, cut)
        settings = making.build_settings(stems_folder)
        sheet = spotting.spot(opened)
        with Client.connect(start_if_needed=True) as client, RenderBars(num_clips=len(sheet.clips)) as bars:
            report = render_timeline(
                opened.timeline,
                sheet,
                settings,
                output,
                client=client,
                on_status=bars,
                base_folder=opened.base_folder,
            )
    finish_report(report, as_json=as_json)


@dataclass(frozen=True, kw_only=True)
class LookChoices:
    """What the command line says about which part of a bare file or image sequence is looked at."""

    start: str | None = None
    end: str | None = None
    frame_rate: str = "25"
    missing_images: str = "error"

    def spot(self, video: Path, tracks: Sequence[StemTrack]) -> CueSheet:
        """Raises MediaError, ClockError, CueError, RequestError."""
        images = ImageRun(rate_hz=parse_rate(self.frame_rate), missing=self.missing_images)
        return spot_media(video, tracks, start=self.start, end=self.end, images=images)


def run_stems(
    video: Path,
    output: Path,
    spotting: SpottingChoices,
    making: MakingChoices,
    look: LookChoices,
    *,
    as_json: bool,
) -> None:
    with refusals(as_json=as_json):
        tracks = spotting.parse_tracks()
        settings = making.build_settings(output)
        sheet = look.spot(video, tracks)
        with Client.connect(start_if_needed=True) as client, RenderBars(num_clips=1) as bars:
            report = render_sheet(sheet, settings, client=client, timeline_name=video.name, on_status=bars)
    finish_report(report, as_json=as_json)


def run_spot(
    cut: Path, spotting: SpottingChoices, *, model: str | None, num_takes: int, as_json: bool, as_csv: bool
) -> None:
    with refusals(as_json=as_json), open_timeline(cut) as opened:
        sheet = spotting.spot(opened)
        seconds_per_stem = ask_running_daemon(choose_model(model))
        report = SpotReport(sheet=sheet, num_takes=num_takes, seconds_per_stem=seconds_per_stem)
    show_cues(report, as_json=as_json, as_csv=as_csv)


def show_cues(report: SpotReport, *, as_json: bool, as_csv: bool) -> None:
    """Print a cue sheet, and on standard error what is not on it."""
    if as_json:
        sys.stdout.write(json.dumps(report.to_json()) + "\n")
    elif as_csv:
        sys.stdout.write(report.to_csv())
    else:
        headings, rows = report.to_table()
        say_table(headings, rows)
    for warning in report.sheet.warnings:
        sys.stderr.write(f"selva: {warning}\n")
    for item in report.sheet.unseen:
        where = report.sheet.clock.timecode(item.record_start_s)
        sys.stderr.write(f"selva: left out {item.name!r} at {where}: {item.reason}\n")


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


def finish_report(report: RenderReport, *, as_json: bool) -> None:
    """Print what came of it, and leave with the status that says so."""
    if as_json:
        sys.stdout.write(json.dumps(report.to_json()) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in iter_report_lines(report))
    clock = report.sheet.clock
    for warning in report.sheet.warnings:
        sys.stderr.write(f"selva: {warning}\n")
    for item in report.skipped:
        where = clock.timecode(item.record_start_s)
        sys.stderr.write(f"selva: skipped {item.name!r} at {where}: {item.reason}\n")
    for cue in report.kept:
        where = clock.timecode(cue.clip.record_start_s)
        sys.stderr.write(
            f"selva: the stem of {cue.track!r} at {where} was edited on the timeline; it stays\n"
        )
    sys.stderr.writelines(f"selva: {line}\n" for line in iter_failure_lines(report))
    if report.failed:
        raise typer.Exit(EXIT_PARTLY_FAILED if report.stems else EXIT_REFUSED)
