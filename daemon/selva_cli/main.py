"""The command `selva` as it is started: first sees to it that our libraries are imported, and not others of the same name.

Studios put their own libraries into PYTHONPATH for all programs, and Python looks there before it looks into our environment:
an old typer.py in such a folder would end every command with its error. So nothing but the standard library is imported here
until the order is right. The daemon and the hosts' scripts are started with a clean environment instead
(`selva_core.base.child_process`).
"""

from __future__ import annotations

import os
import sys

OWN_PACKAGES = ("selva_cli", "selva_core", "selva_daemon", "selva_otio", "selva_plugins", "selva_render")


def main() -> None:
    """Run the command line; ends the process with its exit status."""
    sys.path[:] = put_foreign_folders_last(sys.path, pythonpath=os.environ.get("PYTHONPATH", ""))
    from selva_cli.app import run_command_line  # noqa: PLC0415 - not before sys.path is in order

    run_command_line()


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
