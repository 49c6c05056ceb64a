"""`selva daemon`: run, start, stop, status, pause, resume, yield, logs; and who may use it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selva_cli.commands import daemon_clients
from selva_cli.options.command_app import CommandApp
from selva_cli.options.option_groups import takes_groups
from selva_cli.options.service_flags import ServiceFlags
from selva_cli.terminal.console import (
    JsonOption,
    connect,
    format_duration,
    format_size,
    print_json,
    print_line,
    print_result,
    print_table,
)
from selva_cli.terminal.error_reporting import EXIT_REFUSED
from selva_cli.terminal.verbosity import is_verbose
from selva_core.base.command_line import selva_command

if TYPE_CHECKING:
    from selva_daemon import Client
    from selva_daemon.protocol.status import DaemonStatus

FOLLOW_EVERY_S = 0.25
YIELD_PATIENCE_S = 60.0

daemon_app = CommandApp(no_args_is_help=True)
daemon_app.command()(daemon_clients.invite)
daemon_app.command()(daemon_clients.clients)
daemon_app.command()(daemon_clients.revoke)


@daemon_app.command()
@takes_groups
def run(flags: ServiceFlags) -> None:
    """Run the daemon in this terminal until Ctrl-C; with --verbose its log is shown as well."""
    from selva_daemon.server.service import run_service  # noqa: PLC0415 - --help loads no daemon

    run_service(flags=flags.given(), log_to_terminal=is_verbose())


@daemon_app.command()
@takes_groups
def start(flags: ServiceFlags, as_json: JsonOption = False) -> None:
    """Start the daemon in the background, unless it runs."""
    from selva_core.base.paths import AppPaths  # noqa: PLC0415
    from selva_daemon.client.launch import start_daemon  # noqa: PLC0415 - --help loads no daemon

    start_daemon(AppPaths.find(), flags=flags.given())
    with connect() as client:
        found = client.status()
    if as_json:
        print_json(found)
    else:
        print_result(f"the daemon runs (process {found.processes[0].pid}, {found.endpoints['jobs']})")
    _warn_of_broken_library()


def _warn_of_broken_library() -> None:
    """The daemon itself loads none of what models run on, so that it starts where the first job will fail."""
    from selva_core.base.paths import AppPaths  # noqa: PLC0415
    from selva_daemon.client.installation import find_broken_library  # noqa: PLC0415

    problem = find_broken_library(AppPaths.find())
    if problem is not None:
        sys.stderr.write(f"selva: no job can be rendered: {problem}\n")


@daemon_app.command()
def stop(as_json: JsonOption = False) -> None:
    """Stop the daemon: running jobs may end first, waiting ones stay queued."""
    from selva_core.base.paths import AppPaths  # noqa: PLC0415
    from selva_daemon.client.launch import wait_until_stopped  # noqa: PLC0415 - --help loads no daemon
    from selva_daemon.protocol.errors import DaemonUnavailableError  # noqa: PLC0415

    try:
        with connect() as client:
            found = client.status()
            client.shutdown()
    except DaemonUnavailableError:
        print_json({"stopped": False}) if as_json else print_result("no daemon is running")
        return
    if AppPaths.find().other_daemon is not None:
        print_json({"stopped": True}) if as_json else print_result(
            "the daemon on the other machine is stopping"
        )
        return
    wait_until_stopped(found)
    print_json({"stopped": True}) if as_json else print_result("the daemon has stopped")


@daemon_app.command()
def status(as_json: JsonOption = False) -> None:
    """Show endpoints, processes, device, models and queue."""
    with connect() as client:
        found = client.status()
    print_json(found) if as_json else _show_status(found)


@daemon_app.command()
def metrics() -> None:
    """Show numbers about the daemon in the Prometheus text format."""
    with connect() as client:
        sys.stdout.write(client.metrics())


@daemon_app.command()
def pause() -> None:
    """Start no more jobs; running ones go on."""
    with connect() as client:
        client.pause()
    print_result(f"paused; go on with: {selva_command('daemon', 'resume')}")


@daemon_app.command()
def resume() -> None:
    """Start jobs again; take the device back after a yield."""
    with connect() as client:
        client.resume()
    print_result("running")


@daemon_app.command(name="yield")
def yield_device() -> None:
    """Free the device immediately; a running job goes back to the queue."""
    with connect() as client:
        client.release_device()
        is_free = _wait_for_workers_to_end(client)
    resume_command = selva_command("daemon", "resume")
    if is_free:
        print_result(f"the device is free; take it back with: {resume_command}")
    else:
        sys.stderr.write(
            f"selva: the worker has not ended within {YIELD_PATIENCE_S:g} s and may still hold memory; look with: "
            f"{selva_command('daemon', 'status')}\n"
        )
        raise typer.Exit(EXIT_REFUSED)


def _wait_for_workers_to_end(client: Client) -> bool:
    """Whether all workers have ended: only the end of a process returns all of a device's memory."""
    give_up_s = time.monotonic() + YIELD_PATIENCE_S
    while any(process.role == "worker" and process.pid is not None for process in client.status().processes):
        if time.monotonic() >= give_up_s:
            return False
        time.sleep(FOLLOW_EVERY_S)
    return True


@daemon_app.command()
def logs(
    job: Annotated[str | None, typer.Option("--job", metavar="ID", help="Only lines of one job.")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the newest lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue as lines are written.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the daemon's log."""
    from selva_core.base.paths import AppPaths  # noqa: PLC0415 - help needs none of it

    file = AppPaths.find().log_file
    chosen = [line for line in _read_lines(file) if _is_about(line, job)]
    if not chosen:
        about = "" if job is None else f" about job {job}"
        sys.stderr.write(f"selva: there is no line{about} in {file}\n")
    for line in chosen[-lines:]:
        _show_line(line, as_json=as_json)
    if follow:
        for line in _follow(file):
            if _is_about(line, job):
                _show_line(line, as_json=as_json)
                sys.stdout.flush()


def _is_about(line: dict[str, Any], job: str | None) -> bool:
    """A line may be about several jobs; an id may be shortened."""
    return job is None or any(job_id.startswith(job) for job_id in str(line.get("job_id") or "").split())


def _show_status(found: DaemonStatus) -> None:
    states = [name for name in ("paused", "yielded", "draining") if getattr(found, name)]
    print_line(", ".join([f"selva daemon {found.version}", f"up {format_duration(found.uptime_s)}", *states]))
    print_table(["endpoint", "address"], list(found.endpoints.items()))
    print_table(
        ["process", "pid", "state", "memory", "jobs", "restarts"],
        [
            (
                process.role,
                process.pid or "-",
                process.state,
                format_size(process.memory_bytes),
                " ".join(process.job_ids) or "-",
                process.restarts,
            )
            for process in found.processes
        ],
    )
    for process in found.processes:
        if process.problem:  # a sentence, which would push the other columns off the screen
            print_line(f"{process.role}: {process.problem}")
    devices = [device for process in found.processes for device in process.devices or ()]
    if devices:
        print_table(
            ["device of the cluster", "state"],
            [(device.name, device.problem or device.state) for device in devices],
        )
    print_line(f"device: {found.device}")
    for model in found.models:
        until = (
            f", unloads in {format_duration(model.unloads_in_s)}" if model.unloads_in_s is not None else ""
        )
        memory = (
            f", {format_size(model.device_memory_bytes)} on the device" if model.device_memory_bytes else ""
        )
        print_line(f"model: {model.model}{memory}{until}")
        for notice in model.notices:
            print_line(f"  note: {notice}")
    print_line("queue: " + ", ".join(f"{count} {state}" for state, count in found.queue.items()))


def _read_lines(file: Path) -> Iterator[dict[str, Any]]:
    """The lines of the rotated files and of the current one, oldest first."""
    rotated = sorted(file.parent.glob(f"{file.name}.*"), reverse=True)
    for part in [*rotated, file]:
        try:
            text = part.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue
        yield from _parse_lines(text)


def _parse_lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            value = {"message": line}
        if isinstance(value, dict):
            yield value


def _follow(file: Path) -> Iterator[dict[str, Any]]:
    """New lines as they are written; when the log is rotated, from the start of the new file."""
    position = file.stat().st_size if file.exists() else 0
    while True:
        time.sleep(FOLLOW_EVERY_S)
        size_bytes = file.stat().st_size if file.exists() else 0
        if size_bytes < position:
            position = 0
        if size_bytes == position:
            continue
        with file.open("rb") as stream:
            stream.seek(position)
            complete, _, rest = stream.read().rpartition(b"\n")
        position = size_bytes - len(rest)
        yield from _parse_lines(complete.decode("utf-8", errors="replace"))


def _show_line(line: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(line)
        return
    job = f" [{line['job_id']}]" if line.get("job_id") else ""
    print_line(f"{line.get('time', '-')} {line.get('level', '-'):7}{job} {line.get('message', '')}")
    if "traceback" in line:
        print_line(line["traceback"])
