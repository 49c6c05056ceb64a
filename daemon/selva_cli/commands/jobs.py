"""`selva jobs`: list, show, watch, cancel, retry, move, clear. An id may be shortened as long as it is unambiguous."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from selva_cli.options.command_app import CommandApp
from selva_cli.options.completion import complete_job_states, complete_jobs
from selva_cli.terminal.console import (
    JsonOption,
    connect,
    format_duration,
    format_time,
    print_json,
    print_line,
    print_result,
    print_table,
)
from selva_cli.terminal.error_reporting import EXIT_PARTLY_FAILED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from selva_daemon.client.client import Client
    from selva_daemon.protocol.status import JobStatus

ID_CHARS = 16
SHOWN_MATCHES = 4
JobIds = Annotated[
    list[str],
    typer.Argument(metavar="ID...", help="Jobs; see: selva jobs list", autocompletion=complete_jobs),
]
JobId = Annotated[
    str, typer.Argument(metavar="ID", help="A job; see: selva jobs list", autocompletion=complete_jobs)
]

jobs_app = CommandApp(no_args_is_help=True)


@jobs_app.command(name="list")
def list_jobs(
    state: Annotated[
        list[str],
        typer.Option(
            "--state",
            help="queued, running, done, failed or cancelled; may be repeated.",
            autocompletion=complete_job_states,
        ),
    ] = [],  # noqa: B006 - typer copies it
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many of the newest.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the newest jobs."""
    from selva_core.base.misspelling import suggest  # noqa: PLC0415 - --help loads no daemon
    from selva_daemon.protocol.status import STATES  # noqa: PLC0415

    for name in state:
        if name not in STATES:
            raise typer.BadParameter(f"a state is {', '.join(STATES)}; got {name!r}{suggest(name, STATES)}")

    with connect() as client:
        found = client.jobs(states=state or STATES, limit=limit)
    if as_json:
        print_json(found)
        return
    print_table(
        ["id", "state", "stems", "progress", "left", "submitted", "model", "label"],
        [
            (
                job.job_id,
                job.state,
                job.num_stems,
                _format_progress(job),
                format_duration(job.seconds_left),
                format_time(job.submitted_s),
                job.model,
                job.label,
            )
            for job in found
        ],
        whole=("id",),
    )


@jobs_app.command()
def show(job_id: JobId, as_json: JsonOption = False) -> None:
    """Show one job and its stems."""
    with connect() as client:
        [job_id] = _find_full_ids(client, [job_id])
        job = client.job(job_id)
    if as_json:
        print_json(job)
        return
    left = f", {format_duration(job.seconds_left)} left" if job.seconds_left is not None else ""
    print_line(f"{job.label}: {job.state} ({_format_progress(job)}{left})")
    times = {"submitted": job.submitted_s, "begun": job.started_s, "ended": job.finished_s}
    print_line(", ".join(f"{label} {format_time(seconds)}" for label, seconds in times.items()))
    if job.error is not None:
        print_line(f"reason: {job.error.message} ({job.error.code})")
    if job.stems:
        print_table(
            ["track", "take", "seed", "cached", "file"],
            [
                (stem.track, stem.take, stem.seed, "yes" if stem.cached else "no", stem.file)
                for stem in job.stems
            ],
            whole=("file",),
        )


@jobs_app.command()
def watch(
    job_ids: JobIds,
    cancel_on_interrupt: Annotated[
        bool, typer.Option("--cancel-on-interrupt", help="Ctrl-C cancels the jobs, not only the watching.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Follow jobs to their end; with --json one line per change."""
    with connect() as client:
        job_ids = _find_full_ids(client, job_ids)
        try:
            last: dict[str, JobStatus] = {}
            shown_reasons: set[str] = set()
            for status in client.watch(job_ids):
                _show_change(status, as_json=as_json, shown_reasons=shown_reasons)
                last[status.job_id] = status
        except KeyboardInterrupt:
            if cancel_on_interrupt:
                client.cancel(*job_ids)
            raise
    if any(status.state != "done" for status in last.values()):
        raise typer.Exit(EXIT_PARTLY_FAILED)


@jobs_app.command()
def cancel(
    job_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID...]", autocompletion=complete_jobs)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Everything that waits or runs.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Cancel jobs: waiting ones immediately, running ones within a sampling step."""
    if every == bool(job_ids):
        raise typer.BadParameter("name jobs, or give --all")
    with connect() as client:
        jobs = client.cancel_all() if every else client.cancel(*_find_full_ids(client, job_ids or []))
    if as_json:
        print_json(jobs)
        return
    from selva_daemon.protocol.status import DONE, FAILED  # noqa: PLC0415 - --help loads no daemon

    num_ended = sum(state in (DONE, FAILED) for state in jobs.values())
    before = f"; {num_ended} had ended before" if num_ended else ""
    print_result(f"{jobs.num_jobs - num_ended} cancelled or being cancelled{before}")


@jobs_app.command()
def retry(job_ids: JobIds, as_json: JsonOption = False) -> None:
    """Queue finished jobs once more."""
    with connect() as client:
        queued = [client.retry(job_id) for job_id in _find_full_ids(client, job_ids)]
    print_json(queued) if as_json else print_result(f"{len(queued)} queued")


@jobs_app.command()
def move(
    job_ids: JobIds,
    last: Annotated[bool, typer.Option("--last", help="To the end instead of the front.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put waiting jobs first, in the order given."""
    with connect() as client:
        positions = client.move(*_find_full_ids(client, job_ids), to="last" if last else "first")
    print_json(positions) if as_json else print_table(["id", "position"], list(positions.items()))


@jobs_app.command()
def clear(as_json: JsonOption = False) -> None:
    """Forget finished jobs; their files stay."""
    with connect() as client:
        count = client.clear()
    print_json({"cleared": count}) if as_json else print_result(f"{count} forgotten")


def _find_full_ids(client: Client, job_ids: Sequence[str]) -> list[str]:
    """The full ids; a shortened one is looked up among the newest jobs. Raises UnknownJobError."""
    from selva_daemon.protocol.errors import UnknownJobError  # noqa: PLC0415 - --help loads no daemon
    from selva_daemon.protocol.status import MAX_LISTED_JOBS  # noqa: PLC0415

    if all(len(job_id) >= ID_CHARS for job_id in job_ids):
        return list(job_ids)
    known = [job.job_id for job in client.jobs(limit=MAX_LISTED_JOBS)]
    full_ids = []
    for job_id in job_ids:
        matches = [each for each in known if each.startswith(job_id)]
        if len(matches) > 1:
            shown = ", ".join([*matches[:SHOWN_MATCHES], *(["…"] if len(matches) > SHOWN_MATCHES else [])])
            raise UnknownJobError(f"{job_id!r} may be any of {len(matches)} jobs: {shown}", job_id=job_id)
        full_ids.append(matches[0] if matches else job_id)
    return full_ids


def _show_change(status: JobStatus, *, as_json: bool, shown_reasons: set[str]) -> None:
    """A reason that was shown before is not repeated: a broken installation fails a hundred jobs in one way."""
    if as_json:
        print_json(status)
    else:
        reason = ""
        if status.error is not None:
            is_shown = status.error.message in shown_reasons
            reason = ": for the same reason" if is_shown else f": {status.error.message}"
            shown_reasons.add(status.error.message)
        left = f", {format_duration(status.seconds_left)} left" if status.seconds_left is not None else ""
        print_line(f"{status.job_id} {status.state} {_format_progress(status)}{left}{reason}")
    sys.stdout.flush()


def _format_progress(job: JobStatus) -> str:
    if job.state == "queued":
        return f"number {job.position}"
    if job.state != "running":
        return "-"
    step = f" {job.step}/{job.num_steps}" if job.num_steps else ""
    return f"{job.fraction:.0%} {job.stage}{step}"
