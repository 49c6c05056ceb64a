"""`selva jobs`: list, show, watch, cancel, retry, move, clear. A job's id may be cut short where it stays clear."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from selva_cli.console import JsonOption, clock_words, connect, say, say_json, say_table, span_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from selva_daemon.client.client import Client
    from selva_daemon.protocol.status import JobStatus

EXIT_NOT_DONE = 3
ID_CHARS = 16
SHOWN_MATCHES = 4
JobIds = Annotated[list[str], typer.Argument(metavar="ID...", help="Jobs; see: selva jobs list")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="A job; see: selva jobs list")]

jobs_app = typer.Typer(no_args_is_help=True)


@jobs_app.command(name="list")
def list_jobs(
    state: Annotated[
        list[str],
        typer.Option("--state", help="queued, running, done, failed or cancelled; may be repeated."),
    ] = [],  # noqa: B006 - typer copies it
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many of the newest.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the newest jobs."""
    from selva_daemon.protocol.status import STATES  # noqa: PLC0415 - the help text needs no daemon

    with connect() as client:
        found = client.jobs(states=state or STATES, limit=limit)
    if as_json:
        say_json(found)
        return
    say_table(
        ["id", "state", "stems", "progress", "left", "submitted", "model", "label"],
        [
            (
                job.job_id,
                job.state,
                job.num_stems,
                _progress_words(job),
                span_words(job.seconds_left),
                clock_words(job.submitted_s),
                job.model,
                job.label,
            )
            for job in found
        ],
    )


@jobs_app.command()
def show(job_id: JobId, as_json: JsonOption = False) -> None:
    """Show one job and its stems."""
    with connect() as client:
        [job_id] = _whole_ids(client, [job_id])
        job = client.job(job_id)
    if as_json:
        say_json(job)
        return
    say(f"{job.label}: {job.state} ({_progress_words(job)})")
    times = {"submitted": job.submitted_s, "begun": job.started_s, "ended": job.finished_s}
    say(", ".join(f"{word} {clock_words(seconds)}" for word, seconds in times.items()))
    if job.error is not None:
        say(f"reason: {job.error.message} ({job.error.code})")
    if job.stems:
        say_table(
            ["track", "take", "seed", "cached", "file"],
            [
                (stem.track, stem.take, stem.seed, "yes" if stem.cached else "no", stem.file)
                for stem in job.stems
            ],
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
        job_ids = _whole_ids(client, job_ids)
        try:
            last = {
                status.job_id: status
                for status in (_show_change(status, as_json=as_json) for status in client.watch(job_ids))
            }
        except KeyboardInterrupt:
            if cancel_on_interrupt:
                client.cancel(*job_ids)
            raise
    if any(status.state != "done" for status in last.values()):
        raise typer.Exit(EXIT_NOT_DONE)


@jobs_app.command()
def cancel(
    job_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID...]")] = None,
    every: Annotated[bool, typer.Option("--all", help="Everything that waits or runs.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Cancel jobs: waiting ones at once, running ones within a sampling step."""
    if every == bool(job_ids):
        raise typer.BadParameter("name jobs, or say --all")
    with connect() as client:
        states = client.cancel_all() if every else client.cancel(*_whole_ids(client, job_ids or []))
    say_json(states) if as_json else say(f"{len(states)} cancelled or being cancelled")


@jobs_app.command()
def retry(job_ids: JobIds, as_json: JsonOption = False) -> None:
    """Queue finished jobs once more."""
    with connect() as client:
        queued = [client.retry(job_id) for job_id in _whole_ids(client, job_ids)]
    say_json(queued) if as_json else say(f"{len(queued)} queued")


@jobs_app.command()
def move(
    job_ids: JobIds,
    last: Annotated[bool, typer.Option("--last", help="To the end instead of the front.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put waiting jobs first, in the order given."""
    with connect() as client:
        positions = client.move(*_whole_ids(client, job_ids), to="last" if last else "first")
    say_json(positions) if as_json else say_table(["id", "position"], list(positions.items()))


@jobs_app.command()
def clear(as_json: JsonOption = False) -> None:
    """Forget finished jobs; their files stay."""
    with connect() as client:
        count = client.clear()
    say_json({"cleared": count}) if as_json else say(f"{count} forgotten")


def _whole_ids(client: Client, job_ids: Sequence[str]) -> list[str]:
    """The ids in full; one that was cut short is looked for among the newest jobs. Raises UnknownJobError."""
    from selva_daemon.protocol.errors import UnknownJobError  # noqa: PLC0415 - the help text needs no daemon
    from selva_daemon.protocol.status import MAX_LISTED_JOBS  # noqa: PLC0415

    if all(len(job_id) >= ID_CHARS for job_id in job_ids):
        return list(job_ids)
    known = [job.job_id for job in client.jobs(limit=MAX_LISTED_JOBS)]
    whole = []
    for job_id in job_ids:
        matches = [each for each in known if each.startswith(job_id)]
        if len(matches) > 1:
            shown = ", ".join([*matches[:SHOWN_MATCHES], *(["…"] if len(matches) > SHOWN_MATCHES else [])])
            raise UnknownJobError(f"{job_id!r} may be any of {len(matches)} jobs: {shown}", job_id=job_id)
        whole.append(matches[0] if matches else job_id)
    return whole


def _show_change(status: JobStatus, *, as_json: bool) -> JobStatus:
    if as_json:
        say_json(status)
    else:
        reason = f": {status.error.message}" if status.error is not None else ""
        left = f", {span_words(status.seconds_left)} left" if status.seconds_left is not None else ""
        say(f"{status.job_id} {status.state} {_progress_words(status)}{left}{reason}")
    sys.stdout.flush()
    return status


def _progress_words(job: JobStatus) -> str:
    if job.state == "queued":
        return f"number {job.position}"
    if job.state != "running":
        return "-"
    step = f" {job.step}/{job.num_steps}" if job.num_steps else ""
    return f"{job.fraction:.0%} {job.stage}{step}"
