"""What `selva farm` does; loads timelines and the client, so only when one of its commands runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from selva_cli.commands.farm.request_arguments import RequestArguments
from selva_cli.commands.render_commands import finish_report, spot_cut
from selva_cli.options.file_kinds import is_bundle, refuse_media
from selva_cli.options.timeline_options import ReadArguments, RenderArguments, SpotArguments
from selva_cli.terminal.console import print_json, print_result
from selva_cli.terminal.error_reporting import EXIT_PARTLY_FAILED, EXIT_REFUSED, report_errors
from selva_core.base.command_line import selva_command
from selva_core.base.errors import RequestError, SelvaError
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.protocol.status import JobStatus
from selva_otio.errors import TimelineWriteError, UnsupportedFormatError
from selva_otio.formats.profiles import find_profile
from selva_otio.timelines import OpenTimeline, check_timeline_target, open_timeline
from selva_render.farm.export import export_farm_job
from selva_render.farm.job_folder import open_farm_job
from selva_render.farm.own_daemon import opened_own_daemon
from selva_render.farm.path_mapping import load_path_rules
from selva_render.farm.plan import FarmPlan
from selva_render.farm.tasks import GatherReport, gather_job, render_task
from selva_render.jobs import ClipJob
from selva_render.options import OutputOptions, check_options, choose_model
from selva_render.written_timelines import check_replaceable

_MEDIA_CHOICES = ("linked", "small")
_MAX_MISSING_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class JobArguments:
    """How the job is divided and what it writes, as it was typed."""

    timeline: str | None
    host: str | None
    naming: str
    media: str
    clips_per_task: int
    num_gpus: int
    command: str


def refuse_signing(files: tuple[Path, Path] | None) -> None:
    """Raises typer.BadParameter where a signer was given."""
    if files is not None:
        raise typer.BadParameter(
            "a farm does not sign stems: the key would have to lie on every worker; leave out --c2pa, or sign while rendering on "
            "a machine that has the key: selva render CUT -o OUT --c2pa CERT KEY"
        )


def run_export(
    cut: Path,
    target: Path,
    *,
    spot: SpotArguments,
    rendering: RenderArguments,
    reading: ReadArguments,
    job: JobArguments,
    as_json: bool,
) -> None:
    """Write the job of a cut. No daemon is needed: the model is looked for on the workers."""
    with report_errors(as_json=as_json):
        _refuse_what_is_no_cut(cut, spot)
        _check_job(target, job)
        with open_timeline(cut, reading.build()) as opened:
            options = rendering.build()
            options = replace(options, model=choose_model(options.model))
            sheet = spot_cut(opened, spot)
            plan = _plan(opened, len(sheet.clips), cut, spot=spot, rendering=rendering, job=job)
            _check_timeline(plan.timeline, cut, target, job)
            output = OutputOptions(
                stems_folder=target.absolute().parent, profile=find_profile(job.host), naming=job.naming
            )
            check_options(options, output)
            export_farm_job(
                opened,
                sheet,
                target,
                plan=replace(plan, model=str(options.model)),
                options=options,
                spot=spot.build(),
                cues=spot.cues,
                has_proxies=job.media == "small",
            )
    if as_json:
        print_json({"job": target.absolute(), "num_tasks": plan.num_tasks, "num_clips": plan.num_clips})
    else:
        print_result(f"job: {target.absolute()} ({plan.num_clips} clips in {plan.num_tasks} tasks)")
    sys.stderr.writelines(f"selva: {warning}\n" for warning in sheet.warnings)


def _refuse_what_is_no_cut(cut: Path, spot: SpotArguments) -> None:
    refuse_media(cut, spot.tracks)
    if is_bundle(cut):
        raise UnsupportedFormatError(
            f"{cut.name} is a request bundle, which one worker fills as it is: {selva_command('render', str(cut))}; "
            "for many workers, export the cut that it was made from"
        )


def _check_job(target: Path, job: JobArguments) -> None:
    if job.media not in _MEDIA_CHOICES:
        raise RequestError(f"--media is one of {', '.join(_MEDIA_CHOICES)}; got {job.media!r}")
    if target.exists():
        raise TimelineWriteError(f"{target} exists already; a job is written to a new folder")
    if not target.absolute().parent.is_dir():
        raise TimelineWriteError(f"there is no folder {target.absolute().parent}; make it first")


def _plan(
    opened: OpenTimeline,
    num_clips: int,
    cut: Path,
    *,
    spot: SpotArguments,
    rendering: RenderArguments,
    job: JobArguments,
) -> FarmPlan:
    return FarmPlan(
        name=opened.timeline.name or cut.stem,
        num_clips=num_clips,
        tracks=tuple(spot.tracks),
        negatives=tuple(spot.negatives),
        cues=None if spot.cues is None else f"cues{spot.cues.suffix.lower()}",
        timeline=job.timeline or f"{cut.stem}-with-stems.otio",
        host=job.host,
        naming=job.naming,
        model=rendering.model or "",
        num_takes=rendering.takes,
        seed=rendering.seed,
        quality=rendering.quality,
        clips_per_task=job.clips_per_task,
        num_gpus=job.num_gpus,
        command=job.command,
    )


def _check_timeline(name: str, cut: Path, target: Path, job: JobArguments) -> None:
    """Refuse what the last step could not write, before hours of rendering."""
    if Path(name).name != name:
        raise TimelineWriteError(
            f"the timeline is written into the job's folder: give a name, not a path; got {name!r}"
        )
    profile = find_profile(job.host)
    try:
        # Beside the folder that is not there yet; nothing is written.
        check_timeline_target(target.absolute().parent / name, cut, profile)
    except UnsupportedFormatError as error:
        if job.timeline is not None or not profile.suffixes:
            raise
        raise UnsupportedFormatError(
            f"{error.message}: --timeline {Path(name).with_suffix(profile.suffixes[0])}"
        ) from error


def run_task(
    folder: Path,
    number: int,
    *,
    clips_per_task: int,
    request: RequestArguments,
    host: str | None,
    naming: str,
    path_mapping: Path | None,
    owns_daemon: bool,
    for_openjd: bool,
    as_json: bool,
) -> None:
    """Render one task; its exit status is that of a render."""
    with report_errors(as_json=as_json), _failure_reported(for_openjd):
        profile = find_profile(host)
        rules = [] if path_mapping is None else load_path_rules(path_mapping)
        job = open_farm_job(folder, request.build(folder), rules=rules)
        progress = _OpenJdProgress(clips_per_task) if for_openjd else _no_progress
        connect = opened_own_daemon() if owns_daemon else Client.connect(start_if_needed=True)
        with connect as client:
            report = render_task(
                job,
                number,
                clips_per_task=clips_per_task,
                client=client,
                on_status=progress,
                profile=profile,
                naming=naming,
            )
    if for_openjd and report.failed:
        _say_openjd("fail", f"{len(report.failed)} clips of task {number} failed: {report.failed[0].message}")
    finish_report(report, as_json=as_json)


def run_gather(
    folder: Path,
    target: Path,
    *,
    host: str | None,
    request: RequestArguments,
    replaces: bool,
    for_openjd: bool,
    as_json: bool,
) -> None:
    """Write the timeline; stems that are missing are named, and are a failure."""
    with report_errors(as_json=as_json), _failure_reported(for_openjd):
        profile = find_profile(host)
        check_timeline_target(target, profile=profile)
        job = open_farm_job(folder, request.build(folder))
        if not replaces:
            check_replaceable(target, (cue.track for cue in job.sheet.cues), AppPaths.find())
        report = gather_job(job, target, profile=profile)
    _show_gathered(report, folder, as_json=as_json)
    if report.missing:
        if for_openjd:
            _say_openjd("fail", f"{len(report.missing)} stems are missing")
        raise typer.Exit(EXIT_PARTLY_FAILED if report.num_stems else EXIT_REFUSED)


def _show_gathered(report: GatherReport, folder: Path, *, as_json: bool) -> None:
    clock = report.sheet.clock
    missing = [
        {
            "track": cue.track,
            "clip": cue.clip.name,
            "timecode": clock.timecode(cue.clip.record_start_s),
            "take": take,
        }
        for cue, take in report.missing
    ]
    if as_json:
        print_json(
            {
                "timeline": report.files[0] if report.files else None,
                "parts": list(report.files[1:]),
                "sidecar": report.sidecar,
                "num_stems": report.num_stems,
                "missing": missing,
                "losses": list(report.losses),
            }
        )
    else:
        for file in report.files:
            print_result(f"timeline: {file} ({report.num_stems} stems)")
    sys.stderr.writelines(f"selva: {text}\n" for text in (*report.warnings, *report.losses))
    for row in missing[:_MAX_MISSING_SHOWN]:
        sys.stderr.write(
            f"selva: no stem of {row['track']!r} for {row['clip']!r} at {row['timecode']}, take {row['take']}\n"
        )
    if missing:
        more = len(missing) - _MAX_MISSING_SHOWN
        others = f"and {more} more; " if more > 0 else ""
        sys.stderr.write(f"selva: {others}let the tasks of {folder} run again, then gather again\n")


class _OpenJdProgress:
    """Lines on standard output that a scheduler reads as the progress of a task."""

    def __init__(self, num_clips: int) -> None:
        self._num_clips = num_clips
        self._fractions: dict[str, float] = {}
        self._reported = -1

    def __call__(self, job: ClipJob, status: JobStatus) -> None:
        self._fractions[status.job_id] = 1.0 if status.is_finished else status.fraction
        percent = int(100 * sum(self._fractions.values()) / max(self._num_clips, len(self._fractions)))
        if percent > self._reported:
            self._reported = percent
            _say_openjd("progress", str(percent))
            _say_openjd("status", f"{job.clip.name}: {status.stage or status.state}")


def _no_progress(job: ClipJob, status: JobStatus) -> None:
    """Schedulers that read none show the output of a task as a log."""


@contextmanager
def _failure_reported(for_openjd: bool) -> Iterator[None]:
    try:
        yield
    except SelvaError as error:
        if for_openjd:
            _say_openjd("fail", error.message)
        raise


def _say_openjd(kind: str, text: str) -> None:
    sys.stdout.write(f"openjd_{kind}: {' '.join(text.split())}\n")
    sys.stdout.flush()
