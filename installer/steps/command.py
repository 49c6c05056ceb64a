"""The command line of the installer: reads the options, runs the steps, and says in one line why it failed."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from environment import SetupError, printed_command
from foundation import isolation
from foundation.choices import Choices, ask_for_folders, build_parser, choose_prefix, is_interactive
from foundation.lock import InstallLock
from foundation.machine import Machine
from foundation.record import RECORD_NAME, Record
from foundation.runner import Log, Runner
from foundation.source import Source, check_manifest, find_source
from steps import engine
from steps.packages import describe_isolation
from steps.prefix import LOCK_NAME, LOG_NAME, check_prefix, discard_prefix, make_prefix
from steps.setup import Setup
from steps.switch import launcher_path

INSTALLER = Path(__file__).resolve().parent.parent


def main(
    argv: Sequence[str] | None = None,
    machine: Machine | None = None,
    *,
    installer: Path = INSTALLER,
    runner_class: type[Runner] = Runner,
) -> int:
    """Parse and do it; returns the exit status: 0 done, 1 failed, 130 stopped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a folder called 犬 on a console of another code page
            stream.reconfigure(errors="backslashreplace")
    given = build_parser().parse_args(argv)
    machine = machine or Machine()
    log = Log()
    try:
        return _run(given, machine, installer, log, runner_class)
    except SetupError as exc:
        return _fail(str(exc), log, given)
    except OSError as exc:
        return _fail(_describe_os_error(exc), log, given)
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again to go on.", file=sys.stderr)
        return 130


def stop_on_signals() -> None:
    """A closed terminal or a `kill` ends the installer as Ctrl-C does, between two records."""

    def stop(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)


def _describe_os_error(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; free some space, and run the same command again"
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{where}; mend that, and run the same command again"


def _fail(cause: str, log: Log, given: argparse.Namespace) -> int:
    cause = " ".join(cause.split())
    where = ""
    if log.path is not None:
        with contextlib.suppress(OSError):  # the disk is full, most likely
            log.write(f"FAILED: {cause}")
        where = f" (log: {log.path})"
    print(f"FAILED: {cause}{where}", file=sys.stderr)
    if given.json:
        print(json.dumps({"ok": False, "error": cause, "log": str(log.path) if log.path else None}))
    return 1


def _run(
    given: argparse.Namespace, machine: Machine, installer: Path, log: Log, runner_class: type[Runner]
) -> int:
    _refuse_root(machine)
    if given.with_models and not given.uninstall:
        raise SetupError("--with-models belongs to --uninstall")
    prefix = choose_prefix(given, machine, installer)
    if not given.uninstall and is_interactive(given) and Record.load(prefix) is None:
        ask_for_folders(given, machine, input)
        prefix = choose_prefix(given, machine, installer)
    record = Record.load(prefix)
    check_prefix(prefix, has_record=record is not None)
    if record is None and (given.upgrade or given.repair or given.uninstall):
        raise SetupError(f"there is no installation in {prefix}; name its folder with --prefix")
    choices = Choices(given, machine, record.choices if record else None)
    isolated = isolation.isolate(machine.environment)
    say: Callable[[str], None] = _say_to_stderr if given.json else _say
    setup = Setup(
        machine=machine,
        choices=choices,
        prefix=prefix,
        record=record or Record(prefix / RECORD_NAME),
        runner=runner_class(log, isolated.variables, say),
        source=None if given.uninstall else _find_source(choices, record, installer, machine),
        installer=installer,
        is_repair=given.repair,
        with_models=given.with_models,
    )
    if given.dry_run:
        return _show_plan(given, setup)
    return _run_locked(given, setup, log, cleared=isolated.cleared, is_new=record is None)


def _run_locked(
    given: argparse.Namespace, setup: Setup, log: Log, *, cleared: list[str], is_new: bool
) -> int:
    """Install or uninstall while no other run can; a prefix in which nothing was recorded is removed again."""
    prefix, machine = setup.prefix, setup.machine
    folders = make_prefix(prefix)
    lock = InstallLock(prefix / LOCK_NAME)
    setup.release_lock = lock.release
    try:
        log.open(prefix / LOG_NAME)
        log.write(
            f"install.py {' '.join(sys.argv[1:])}, Python {sys.version.split()[0]} on {machine.platform}"
        )
        if is_new:
            setup.record.remember("prefix", folders=[str(folder) for folder in folders])
        describe_isolation(setup, cleared)
        return _uninstall(given, setup) if given.uninstall else _install(given, setup)
    finally:
        lock.release()
        if not setup.record.path.exists():
            discard_prefix(prefix, folders)


def _refuse_root(machine: Machine) -> None:
    if machine.is_root:
        user = machine.environment.get("SUDO_USER") or "NAME"
        again = ["sudo", "-u", user, "-i", sys.executable, os.path.abspath(sys.argv[0])]
        raise SetupError(
            "this installs for one user, and as root that would be the wrong one: hosts and the daemon run as you. Run it "
            f"without sudo; from a root shell: {printed_command(again)}"
        )


def _find_source(choices: Choices, record: Record | None, installer: Path, machine: Machine) -> Source:
    """For a repair by the copy in the installation, where the packages came from the first time."""
    earlier = record.recall("prefix", "source") if record else None
    offline = choices.offline
    tree = installer.parent
    if (
        offline is None
        and earlier
        and not (tree / "wheels").is_dir()
        and not (tree / "pyproject.toml").is_file()
    ):
        tree = Path(earlier)
        offline = tree if (tree.is_dir() and not (tree / "pyproject.toml").is_file()) else None
    source = find_source(offline, tree)
    check_manifest(source, platform=machine.platform, architecture=machine.architecture)
    return source


def _say(text: str) -> None:
    print(text, flush=True)


def _say_to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _show_plan(given: argparse.Namespace, setup: Setup) -> int:
    steps = engine.all_steps()
    lines = engine.plan_uninstall(setup, steps) if given.uninstall else engine.plan_install(setup, steps)
    if given.json:
        print(json.dumps({"ok": True, "plan": lines}))
    else:
        print("\n".join(lines or ["Nothing to do."]))
    return 0


def _install(given: argparse.Namespace, setup: Setup) -> int:
    source = setup.require_source()
    setup.record.remember("prefix", source=str(source.wheels or source.requirement))
    setup.say(f"Selva Bridge {source.version} into {setup.prefix}")
    results = engine.install(setup, engine.all_steps())
    for note in setup.notes:
        setup.say(f"note: {note}")
    command = launcher_path(setup)
    installer = setup.prefix / "installer" / "install.py"
    if given.json:
        print(json.dumps(_summary(setup, results)))
        return 0
    print(f"\nReady. Try:    {printed_command([command, 'doctor'])}")
    print(f"Remove it:     {printed_command([sys.executable, installer, '--uninstall'])}")
    return 0


def _summary(setup: Setup, results: dict[str, str]) -> dict[str, Any]:
    return {
        "ok": True,
        "version": setup.record.version,
        "prefix": str(setup.prefix),
        "selva": str(launcher_path(setup)),
        "torch": setup.record.recall("packages", "torch"),
        "steps": results,
        "notes": setup.notes,
        "log": str(setup.runner.log.path),
    }


def _uninstall(given: argparse.Namespace, setup: Setup) -> int:
    left: list[str] = engine.uninstall(setup, engine.all_steps())
    if left:
        setup.note(
            f"{setup.prefix} is kept, because it holds files that are not of Selva: {', '.join(left[:5])}"
        )
    for note in setup.notes:
        setup.say(f"note: {note}")
    if given.json:
        print(json.dumps({"ok": True, "prefix": str(setup.prefix), "notes": setup.notes}))
    else:
        print("Removed.")
    return 0
