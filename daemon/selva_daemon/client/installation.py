"""Whether the libraries that models run on load, found out before the first job needs them.

Only loading them tells, and that takes seconds and may end the process. So a process of its own loads them, once for each
installation: a result without faults is kept in the cache folder under the versions and places of the libraries.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from selva_core.base.atomic_write import write_atomic
from selva_core.base.child_process import own_environment, popen_options, python_executable
from selva_core.base.command_line import reinstall_command
from selva_core.base.errors import SelvaError
from selva_core.base.paths import AppPaths, ensure_folder
from selva_core.base.regular_file import read_bounded

LIBRARIES = ("torch", "numpy", "tokenizers", "safetensors", "av", "soxr", "soundfile")
PROBE_COMMAND = ("-m", "selva_core.engines.load_probe")
PROBE_TIMEOUT_S = 60.0
FILE_NAME = "installation.json"
_MAX_FILE_BYTES = 1 << 16


def find_broken_library(paths: AppPaths) -> str | None:
    """Why models cannot run with these libraries, with the command that mends them; None where they load, or where that could
    not be found out in PROBE_TIMEOUT_S. Takes some seconds the first time, and as long as they do not load.
    """
    key = describe_installation()
    file = paths.cache / FILE_NAME
    if _load_key(file) == key:
        return None
    problem = run_probe()
    if problem == "":
        with suppress(OSError, SelvaError):
            ensure_folder(file.parent)
            write_atomic(file, json.dumps({"loads": key}).encode())
    return problem or None


def describe_installation() -> str:
    """A text that changes when a library is installed, removed or replaced, read from the metadata of packages."""
    from importlib import metadata  # noqa: PLC0415 - takes 30 ms to load

    parts = [sys.version, sys.prefix]
    for name in LIBRARIES:
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            parts.append(f"{name} -")
            continue
        record = distribution.locate_file(
            f"{distribution.name.replace('-', '_')}-{distribution.version}.dist-info"
        )
        try:
            changed_ns = os.stat(str(record)).st_mtime_ns
        except OSError:
            changed_ns = 0
        parts.append(f"{name} {distribution.version} {record} {changed_ns}")
    return "\n".join(parts)


def run_probe(environment: dict[str, str] | None = None) -> str | None:
    """Load the libraries in a process of its own: "" where they load, else why they do not; None where it did not end in time."""
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            [python_executable(), *PROBE_COMMAND],
            env=own_environment(os.environ) if environment is None else environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
            **popen_options(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    try:
        return str(json.loads(done.stdout.decode(errors="replace").strip().rpartition("\n")[2])["problem"])
    except (ValueError, KeyError, TypeError):
        return (
            f"the process that loads the libraries of models ended with status {done.returncode}. Install Selva Bridge "
            f"again: {reinstall_command()}"
        )


def _load_key(file: Path) -> str | None:
    try:
        content = json.loads(read_bounded(file, _MAX_FILE_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return content.get("loads") if isinstance(content, dict) else None
