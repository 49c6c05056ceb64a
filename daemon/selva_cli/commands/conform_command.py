"""What `selva conform` does; loads timelines and the client, so only when it runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

from selva_cli.commands.render_commands import iter_report_lines, spot_cut
from selva_cli.options.timeline_options import ReadArguments, RenderArguments, SpotArguments
from selva_cli.terminal.console import print_json, print_line, print_table
from selva_cli.terminal.error_reporting import EXIT_PARTLY_FAILED, report_errors
from selva_cli.terminal.progress_bars import RenderBars
from selva_cli.terminal.verbosity import is_quiet
from selva_core.base.errors import RequestError
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.protocol.status import JobStatus
from selva_otio import CueSheet
from selva_otio.errors import CueError
from selva_otio.timelines import OpenTimeline, open_timeline
from selva_render.conform import (
    ConformOptions,
    check_conform_target,
    conform_timeline,
    find_target,
    plan_report,
    prepare_conform,
    settle_options,
)
from selva_render.conform_report import WHOLE_COLUMNS, ConformReport
from selva_render.jobs import ClipJob
from selva_render.media import probe_or_none
from selva_render.options import OutputOptions, check_options
from selva_render.report import iter_failure_lines
from selva_render.written_timelines import check_replaceable


def run_conform(
    old: Path,
    new: Path,
    output: OutputOptions,
    *,
    relinked: Sequence[str],
    is_dry_run: bool,
    replaces: bool,
    marks: bool,
    spot: SpotArguments,
    rendering: RenderArguments,
    reading: ReadArguments,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Conform `old` to `new`. Refusals come before anything is rendered."""
    with report_errors(as_json=as_json), _open_cuts(old, new, reading) as (opened_old, opened_new):
        conform = ConformOptions(relinked=parse_relinked(relinked), marks=marks)
        options = rendering.build()
        check_conform_target(old, new, output)
        check_options(options, output, source=new)
        plan = prepare_conform(
            opened_old,
            opened_new,
            options=conform,
            spot=spot.build(),
            wanted=_spot_wanted(opened_new, spot),
        )
        if not (replaces or is_dry_run):
            check_replaceable(find_target(output), plan.sheet.tracks, AppPaths.find())
        options = settle_options(plan, options)
        if is_dry_run:
            report = plan_report(plan, options, output)
        else:
            with _Bars() as bars:
                report = conform_timeline(
                    plan,
                    options,
                    output,
                    connect=_connected(bars, num_clips=len(plan.sheet.clips)),
                    on_status=bars,
                    conform=conform,
                    probe=probe_or_none,
                )
    show_report(report, as_json=as_json, as_csv=as_csv)


def parse_relinked(texts: Sequence[str]) -> Mapping[str, str]:
    """New media path to old, both absolute, from "OLD=NEW". Raises RequestError."""
    relinked = {}
    for text in texts:
        old, equals, new = text.partition("=")
        if not (equals and old.strip() and new.strip()):
            raise RequestError(f"--relink reads OLD=NEW, two media files; got {text!r}")
        relinked[str(Path(new.strip()).absolute())] = str(Path(old.strip()).absolute())
    return relinked


@contextmanager
def _open_cuts(old: Path, new: Path, reading: ReadArguments) -> Iterator[tuple[OpenTimeline, OpenTimeline]]:
    options = reading.build()
    with open_timeline(old, options) as opened_old, open_timeline(new, options) as opened_new:
        yield opened_old, opened_new


def _spot_wanted(opened: OpenTimeline, spot: SpotArguments) -> CueSheet | None:
    """What the command and the new cut name; None where neither names anything. Raises TimelineError."""
    try:
        return spot_cut(opened, spot)
    except CueError:
        if spot.tracks or spot.cues is not None or spot.negatives:
            raise
        return None


class _Bars:
    """Progress bars that are shown from the first status on: most of a conform renders nothing."""

    def __init__(self) -> None:
        self._bars: RenderBars | None = None

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def open(self, *, num_clips: int) -> None:
        self._bars = RenderBars(num_clips=num_clips).__enter__()

    def close(self) -> None:
        bars, self._bars = self._bars, None
        if bars is not None:
            bars.__exit__(None, None, None)

    def __call__(self, job: ClipJob, status: JobStatus) -> None:
        if self._bars is not None:
            self._bars(job, status)


@contextmanager
def _connected(bars: _Bars, *, num_clips: int) -> Iterator[Client]:
    with Client.connect(start_if_needed=True) as client:
        bars.open(num_clips=num_clips)
        try:
            yield client
        finally:
            bars.close()


def show_report(report: ConformReport, *, as_json: bool, as_csv: bool) -> None:
    """Print what was done; notes and failures go to standard error. Exits with a status where clips failed."""
    if as_json:
        print_json(report.to_json())
    elif as_csv:
        sys.stdout.write(report.to_csv())
    else:
        headings, rows = report.to_table()
        if rows:
            print_table(headings, rows, whole=WHOLE_COLUMNS)
        if report.rendered is not None:
            sys.stdout.writelines(f"{line}\n" for line in iter_report_lines(report.rendered))
        if report.timeline is not None:
            for part in (report.timeline, *report.parts):
                print_line(f"timeline: {part}")
        if report.sidecar is not None:
            print_line(f"what hosts drop: {report.sidecar}")
    if not is_quiet():
        sys.stderr.write(f"{report.summarise()}\n")
    sys.stderr.writelines(f"selva: {note}\n" for note in (*report.iter_notes(), *report.losses))
    if report.rendered is not None and report.rendered.failed:
        clock = report.changes.new_clock
        sys.stderr.writelines(
            f"selva: {line}\n" for line in iter_failure_lines(report.rendered.failed, clock)
        )
        raise typer.Exit(EXIT_PARTLY_FAILED)
