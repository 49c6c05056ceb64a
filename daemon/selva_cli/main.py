"""The command `selva` as it is started: first sees to it that our libraries are imported, and not others of the same name.

Studios put their own libraries into PYTHONPATH for all programs, and Python looks there before it looks into our environment:
an old typer.py in such a folder would end every command with its error. So nothing but the standard library is imported here
until the order is right. The daemon and the hosts' scripts are started with a clean environment instead
(`selva_core.base.child_process`).
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

OWN_PACKAGES = ("selva_cli", "selva_core", "selva_daemon", "selva_otio", "selva_plugins", "selva_render")


def main() -> None:
    """Run the command line; ends the process with its exit status."""
    sys.path[:] = put_foreign_folders_last(sys.path, pythonpath=os.environ.get("PYTHONPATH", ""))
    has_ctrl_c = (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )  # not where a shell has it ignored
    if has_ctrl_c:
        signal.signal(signal.SIGINT, _end_at_once)
    from selva_cli.app import run_command_line  # noqa: PLC0415 - not before sys.path is in order

    if has_ctrl_c:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run_command_line()


def _end_at_once(_number: int, _frame: FrameType | None) -> None:
    """Ctrl-C while modules are imported, when nothing was begun: no traceback, and the status of every interrupted command."""
    os.write(2, b"selva: interrupted\n")
    os._exit(130)


def put_foreign_folders_last(path: list[str], *, pythonpath: str) -> list[str]:
    """`path` (as sys.path) with the folders of PYTHONPATH and the current folder, which `python -m` puts first, at its end.

    What only they have is still found. A folder that holds one of our packages is a checkout, and keeps its place.
    """
    foreign = {os.path.abspath(entry) for entry in pythonpath.split(os.pathsep) if entry}
    foreign.add(os.path.abspath(""))
    last = [entry for entry in path if os.path.abspath(entry) in foreign and not _holds_own_package(entry)]
    return [entry for entry in path if entry not in last] + last


def _holds_own_package(folder: str) -> bool:
    return any(os.path.isdir(os.path.join(folder, package)) for package in OWN_PACKAGES)
