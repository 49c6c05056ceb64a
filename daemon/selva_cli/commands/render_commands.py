"""What `selva render`, `stems` and `spot` do; loads timelines and the client, so only when one of them runs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import typer

from selva_cli.options.file_kinds import refuse_media, refuse_timeline
from selva_cli.options.timeline_options import (
    FileArguments,
    MediaArguments,
    ReadArguments,
    RenderArguments,
    SpotArguments,
)
from selva_cli.terminal.console import print_json, print_table
from selva_cli.terminal.error_reporting import EXIT_PARTLY_FAILED, EXIT_REFUSED, report_errors
from selva_cli.terminal.progress_bars import RenderBars
from selva_cli.terminal.verbosity import is_quiet
from selva_core.base.command_line import selva_command
from selva_core.base.errors import RequestError
from selva_core.base.media import ImageSequence
from selva_core.base.paths import AppPaths
from selva_core.base.render_options import RenderOptions
from selva_core.base.settings import load_settings
from selva_core.models.catalog import find_model
from selva_core.models.memory_needs import estimate_needs
from selva_daemon.client.client import Client
from selva_otio import CueSheet, spot_timeline
from selva_otio.time.clock import parse_rate
from selva_otio.timelines import OpenTimeline, open_timeline
from selva_render.look import LookReport, look_at_sheet
from selva_render.media import probe_or_none, spot_media
from selva_render.options import check_options, choose_model
from selva_render.picture_cache import describe_picture_cache
from selva_render.render import render_sheet, render_timeline
from selva_render.report import RenderReport, iter_failure_lines
from selva_render.spot_report import WHOLE_COLUMNS, SpotReport, estimate_from_running_daemon
from selva_render.written_timelines import check_replaceable

_MAX_CLIPS_OF_NOTE = 4  # a line holds as many; --json has the warnings of each stem


def run_render(
    cut: Path,
    timeline: Path,
    stems_folder: Path,
    *,
    host: str | None,
    spot: SpotArguments,
    rendering: RenderArguments,
    files: FileArguments,
    reading: ReadArguments,
    replaces: bool,
    as_json: bool,
    best_of: int | None = None,
) -> None:
    """Render a cut, and write it with its stems to `timeline`; a file there that is not an earlier render's is replaced when
    `replaces` says so. Refusals come before the daemon is started."""
    with report_errors(as_json=as_json), _open_cut(cut, spot, reading) as opened:
        if best_of is not None and rendering.takes not in (1, best_of):
            raise RequestError(
                f"--best-of {best_of} makes {best_of} takes, and --takes says {rendering.takes}; give one of the two"
            )
        options = (rendering if best_of is None else replace(rendering, takes=best_of)).build()
        output = files.build(stems_folder=stems_folder, timeline=timeline, host=host)
        output = replace(output, best_first=best_of is not None)
        check_options(options, output, source=cut)
        sheet = spot_cut(opened, spot)
        if not replaces:
            check_replaceable(timeline, (cue.track for cue in sheet.cues), AppPaths.find())
        _note_picture_cache(sheet, options.model)
        with Client.connect(start_if_needed=True) as client, RenderBars(num_clips=len(sheet.clips)) as bars:
            report = render_timeline(
                opened.timeline,
                sheet,
                options,
                output,
                client=client,
                on_status=bars,
                base_folder=opened.base_folder,
                probe=probe_or_none,
                media=opened.media,
            )
    finish_report(report, as_json=as_json)


@contextmanager
def _open_cut(cut: Path, spot: SpotArguments, reading: ReadArguments) -> Iterator[OpenTimeline]:
    """Raises TimelineError, with the command for media where `cut` is media."""
    refuse_media(cut, spot.tracks)
    with open_timeline(cut, reading.build()) as opened:
        yield opened


def spot_cut(opened: OpenTimeline, spot: SpotArguments) -> CueSheet:
    """The cue sheet of a timeline. Raises TimelineError."""
    return spot_timeline(
        opened.timeline,
        spot.parse_tracks(),
        base_folder=opened.base_folder,
        rows=spot.load_rows(),
        options=spot.build(),
        media=opened.media,
    )


def run_stems(
    video: Path,
    stems_folder: Path,
    *,
    part: MediaArguments,
    spot: SpotArguments,
    rendering: RenderArguments,
    files: FileArguments,
    as_json: bool,
) -> None:
    """Render a bare media file, or the part of it that is named."""
    with report_errors(as_json=as_json):
        refuse_timeline(video, spot.tracks)
        tracks = spot.parse_tracks()
        options, output = rendering.build(), files.build(stems_folder=stems_folder)
        check_options(options, output)
        images = ImageSequence(rate_hz=parse_rate(part.frame_rate), missing=part.missing_images)
        sheet = spot_media(video, tracks, start=part.start, end=part.end, images=images)
        with Client.connect(start_if_needed=True) as client, RenderBars(num_clips=1) as bars:
            report = render_sheet(
                sheet, options, output, client=client, timeline_name=video.name, on_status=bars
            )
    finish_report(report, as_json=as_json)


def run_spot(
    cut: Path,
    *,
    spot: SpotArguments,
    reading: ReadArguments,
    model: str | None,
    num_takes: int,
    looks: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Show the cues of a cut. model, num_takes: what the estimates are for. looks: the model says which of them it sees."""
    with report_errors(as_json=as_json), _open_cut(cut, spot, reading) as opened:
        options = RenderOptions(model=model, num_takes=num_takes)
        sheet = spot_cut(opened, spot)
        report = SpotReport(
            sheet=sheet,
            num_takes=options.num_takes,
            seconds_per_stem=estimate_from_running_daemon(choose_model(options.model)),
        )
        looked = _look(sheet, options) if looks else None
    if looked is not None:
        report = replace(report, looked=looked.by_cue)
    show_cues(report, as_json=as_json, as_csv=as_csv)
    _note_picture_cache(sheet, model)
    _note_memory(model)
    if looked is not None and looked.failed:
        sys.stderr.writelines(f"selva: {line}\n" for line in iter_failure_lines(looked.failed, sheet.clock))
        raise typer.Exit(EXIT_PARTLY_FAILED)


def _look(sheet: CueSheet, options: RenderOptions) -> LookReport:
    with Client.connect(start_if_needed=True) as client, RenderBars(num_clips=len(sheet.clips)) as bars:
        return look_at_sheet(sheet, options, client=client, on_status=bars)


def _note_picture_cache(sheet: CueSheet, model: str | None) -> None:
    """Say where the cache does not hold the pictures of the cut. Raises UnknownModelError."""
    note = describe_picture_cache(sheet, choose_model(model), load_settings())
    if note is not None and not is_quiet():
        sys.stderr.write(f"selva: {note}\n")


def _note_memory(model_id: str | None) -> None:
    """Say how much of a GPU the model takes; nothing of one that comes with this package, which fits everywhere."""
    model = find_model(choose_model(model_id))
    if model.spec is None or model.is_bundled or is_quiet():
        return
    needs = estimate_needs(model, has_bfloat16=True)
    sys.stderr.write(
        f"selva: {model.model_id} takes about {needs.normal_bytes / 1e9:.1f} GB of a GPU, or {needs.low_bytes / 1e9:.1f} GB with "
        f"the setting memory low; what is free says: {selva_command('doctor', '--only', 'torch')}\n"
    )


def show_cues(report: SpotReport, *, as_json: bool, as_csv: bool) -> None:
    """Print a cue sheet; warnings, and clips without cues, go to standard error."""
    if as_json:
        print_json(report.to_json())
    elif as_csv:
        sys.stdout.write(report.to_csv())
    else:
        headings, rows = report.to_table()
        print_table(headings, rows, whole=WHOLE_COLUMNS)
        if not is_quiet():
            sys.stderr.write(f"{report.summarise()}\n")
    for warning in report.sheet.warnings:
        sys.stderr.write(f"selva: {warning}\n")
    for item in report.sheet.skipped:
        where = report.sheet.clock.timecode(item.record_start_s)
        sys.stderr.write(f"selva: left out {item.name!r} at {where}: {item.reason}\n")


def iter_report_lines(report: RenderReport) -> Iterator[str]:
    """A line per stem, the notes on them, and where the timeline is."""
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
    warnings = (
        (stem.cue.track, stem.cue.clip.name, text) for stem in report.stems for text in stem.result.warnings
    )
    yield from iter_stem_notes(warnings, names_clips=len(report.sheet.clips) > 1)
    for clip in report.sheet.clips:
        yield from (f"note: {clip.name!r}: {warning}" for warning in clip.warnings)
    if report.timeline is not None:
        yield from (f"timeline: {part}" for part in (report.timeline, *report.parts))
    if report.sidecar is not None:
        yield f"what hosts drop: {report.sidecar}"


def iter_stem_notes(warnings: Iterable[tuple[str, str, str]], *, names_clips: bool) -> Iterator[str]:
    """A line for each warning of a track, once, with the clips that it is about. warnings: track, clip and text of each."""
    clips: dict[tuple[str, str], dict[str, None]] = {}
    for track, clip, text in warnings:
        clips.setdefault((track, text), {})[clip] = None
    for (track, text), names in sorted(clips.items(), key=lambda note: note[0]):
        named = list(names)[:_MAX_CLIPS_OF_NOTE]
        if len(names) > len(named):
            named.append(f"{len(names) - len(named)} more")
        yield f"note: {track} ({', '.join(named)}): {text}" if names_clips else f"note: {track}: {text}"


def finish_report(report: RenderReport, *, as_json: bool) -> None:
    """Print the result of a render, and exit with its status."""
    if as_json:
        print_json(report.to_json())
    else:
        sys.stdout.writelines(f"{line}\n" for line in iter_report_lines(report))
    clock = report.sheet.clock
    for warning in report.sheet.warnings:
        sys.stderr.write(f"selva: {warning}\n")
    for item in report.skipped:
        where = clock.timecode(item.record_start_s)
        sys.stderr.write(f"selva: skipped {item.name!r} at {where}: {item.reason}\n")
    for cue in report.edited_cues:
        where = clock.timecode(cue.clip.record_start_s)
        sys.stderr.write(
            f"selva: the stem of {cue.track!r} at {where} was edited on the timeline; it stays\n"
        )
    sys.stderr.writelines(f"selva: {loss}\n" for loss in report.losses)
    sys.stderr.writelines(f"selva: {line}\n" for line in iter_failure_lines(report.failed, clock))
    if report.failed:
        raise typer.Exit(EXIT_PARTLY_FAILED if report.stems else EXIT_REFUSED)
