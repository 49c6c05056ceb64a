"""What `selva render`, `stems` and `spot` do; loads timelines and the client, so only when one of them runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from selva_cli.console import say_table
from selva_cli.error_reporting import EXIT_PARTLY_FAILED, EXIT_REFUSED, report_errors
from selva_cli.progress_bars import RenderBars
from selva_cli.timeline_options import ReadingChoices, RenderChoices, SpottingChoices
from selva_core.audio.credentials import Signer
from selva_core.base.errors import SelvaError
from selva_core.base.media import ImageSequence, MediaInfo
from selva_core.engine import SamplingSettings
from selva_daemon.client.client import Client
from selva_otio import (
    CueSheet,
    SpotOptions,
    StemTrack,
    load_cue_sheet,
    spot_timeline,
)
from selva_otio.errors import TimelineReadError
from selva_otio.formats.options import ReadOptions
from selva_otio.formats.profiles import PLAIN, HostProfile, find_profile
from selva_otio.time.clock import parse_rate, parse_seconds
from selva_otio.timelines import OpenTimeline, check_timeline_target, open_timeline
from selva_render.jobs import RenderSettings
from selva_render.media import spot_media
from selva_render.probing import probe_in_process
from selva_render.render import check_stems_folder, choose_model, render_sheet, render_timeline
from selva_render.report import RenderReport, iter_failure_lines
from selva_render.spot_report import WHOLE_COLUMNS, SpotReport, ask_running_daemon


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Where a render goes. host: the name of the host profile it is written for; None for a plain timeline."""

    output: Path
    stems_folder: Path
    host: str | None = None


@dataclass(frozen=True, kw_only=True)
class ShownCues:
    """How `selva spot` shows cues; the estimate is for a model and a number of takes."""

    model: str | None
    num_takes: int
    as_json: bool
    as_csv: bool


def run_render(
    cut: Path,
    wanted: OutputOptions,
    spotting: SpottingChoices,
    making: RenderChoices,
    reading: ReadingChoices,
    *,
    as_json: bool,
) -> None:
    """Everything that can be refused is refused before the daemon is started."""
    with report_errors(as_json=as_json), open_timeline(cut, build_read_options(reading)) as opened:
        profile = find_profile(wanted.host)
        check_timeline_target(wanted.output, cut, profile)
        settings = build_settings(making, wanted.stems_folder, profile)
        sheet = spot_cut(opened, spotting)
        with Client.connect(start_if_needed=True) as client, RenderBars(num_clips=len(sheet.clips)) as bars:
            report = render_timeline(
                opened.timeline,
                sheet,
                settings,
                wanted.output,
                client=client,
                on_status=bars,
                base_folder=opened.base_folder,
                profile=profile,
                probe=ask_media,
            )
    finish_report(report, as_json=as_json)


def spot_cut(opened: OpenTimeline, spotting: SpottingChoices) -> CueSheet:
    """The cue sheet of a timeline. Raises TimelineError."""
    return spot_timeline(
        opened.timeline,
        spotting.parse_tracks(),
        base_folder=opened.base_folder,
        rows=() if spotting.cues is None else load_cue_sheet(spotting.cues),
        options=SpotOptions(
            video_track=spotting.video_track,
            handles_s=parse_seconds(spotting.handles),
            use_markers=spotting.use_markers,
            marker_colour=spotting.marker_colour,
        ),
    )


def build_settings(making: RenderChoices, stems_folder: Path, profile: HostProfile = PLAIN) -> RenderSettings:
    """Raises RequestError, UnknownModelError, TimelineWriteError, OutputError; UnsupportedFormatError for a sample rate that the
    host has no session for."""
    check_stems_folder(stems_folder)
    profile.check_sample_rate(making.sample_rate_hz)
    return RenderSettings(
        model=choose_model(making.model),
        stems_folder=stems_folder.absolute(),
        num_takes=making.takes,
        seed=making.seed,
        sample_rate_hz=making.sample_rate_hz,
        sampling=SamplingSettings(num_steps=making.num_steps, guidance=making.guidance),
        has_time_reference=profile.stamps_time,
        naming=making.naming,
        signer=_find_signer(making.c2pa),
    )


def _find_signer(files: tuple[Path, Path] | None) -> Signer | None:
    """Raises RequestError, OutputError when nothing could be signed with them here."""
    if files is None:
        return None
    certificate, key = (path.resolve() for path in files)
    signer = Signer(certificate=certificate, key=key)
    signer.check()
    return signer


def build_read_options(reading: ReadingChoices) -> ReadOptions:
    """Raises ClockError, TimelineReadError."""
    for folder in reading.media_folders:
        if not folder.is_dir():
            raise TimelineReadError(f"there is no folder {folder} to look for media in")
    return ReadOptions(
        frame_rate=None if reading.frame_rate is None else parse_rate(reading.frame_rate),
        media_folders=reading.media_folders,
        probe=ask_media,
    )


def ask_media(path: Path) -> MediaInfo | None:
    """What a media file says of itself; None when it cannot be read."""
    try:
        return probe_in_process(path)
    except SelvaError:
        return None


@dataclass(frozen=True, kw_only=True)
class SpotChoices:
    """What the command line says about which part of a bare file or image sequence is looked at."""

    start: str | None = None
    end: str | None = None
    frame_rate: str = "25"
    missing_images: str = "error"

    def spot(self, video: Path, tracks: Sequence[StemTrack]) -> CueSheet:
        """Raises MediaError, ClockError, CueError, RequestError."""
        images = ImageSequence(rate_hz=parse_rate(self.frame_rate), missing=self.missing_images)
        return spot_media(video, tracks, start=self.start, end=self.end, images=images)


def run_stems(
    video: Path,
    output: Path,
    spotting: SpottingChoices,
    making: RenderChoices,
    look: SpotChoices,
    *,
    as_json: bool,
) -> None:
    with report_errors(as_json=as_json):
        tracks = spotting.parse_tracks()
        settings = build_settings(making, output)
        sheet = look.spot(video, tracks)
        with Client.connect(start_if_needed=True) as client, RenderBars(num_clips=1) as bars:
            report = render_sheet(sheet, settings, client=client, timeline_name=video.name, on_status=bars)
    finish_report(report, as_json=as_json)


def run_spot(cut: Path, spotting: SpottingChoices, reading: ReadingChoices, shown: ShownCues) -> None:
    with report_errors(as_json=shown.as_json), open_timeline(cut, build_read_options(reading)) as opened:
        sheet = spot_cut(opened, spotting)
        seconds_per_stem = ask_running_daemon(choose_model(shown.model))
        report = SpotReport(sheet=sheet, num_takes=shown.num_takes, seconds_per_stem=seconds_per_stem)
    show_cues(report, as_json=shown.as_json, as_csv=shown.as_csv)


def show_cues(report: SpotReport, *, as_json: bool, as_csv: bool) -> None:
    """Print a cue sheet, and on standard error what is not on it."""
    if as_json:
        sys.stdout.write(json.dumps(report.to_json()) + "\n")
    elif as_csv:
        sys.stdout.write(report.to_csv())
    else:
        headings, rows = report.to_table()
        say_table(headings, rows, whole=WHOLE_COLUMNS)
        sys.stderr.write(f"{report.summarise()}\n")
    for warning in report.sheet.warnings:
        sys.stderr.write(f"selva: {warning}\n")
    for item in report.sheet.skipped:
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
        yield from (f"timeline: {part}" for part in (report.timeline, *report.parts))
    if report.sidecar is not None:
        yield f"what hosts drop: {report.sidecar}"


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
    sys.stderr.writelines(f"selva: {loss}\n" for loss in report.losses)
    sys.stderr.writelines(f"selva: {line}\n" for line in iter_failure_lines(report.failed, clock))
    if report.failed:
        raise typer.Exit(EXIT_PARTLY_FAILED if report.stems else EXIT_REFUSED)
