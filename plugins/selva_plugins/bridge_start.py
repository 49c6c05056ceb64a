"""Whether the bridge starts as a host application starts it: without a terminal and without standard streams."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from selva_core.base.command_line import quote_command
from selva_plugins.checks import CheckResult, build_check_result
from selva_plugins.hosts.script_install import run_without_streams

_START_TIMEOUT_S = 60.0


def check_start(command: Sequence[str], *, host_name: str, log: Path) -> CheckResult:
    """Start the bridge for a moment, and see that it gets as far as its log, which must be writable."""
    title, sign = "Start of the bridge", uuid.uuid4().hex
    command = [*command, "--check-start", sign]
    log_size = log.stat().st_size if log.is_file() else 0
    try:
        status = run_without_streams(command, timeout_s=_START_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return build_check_result(title, f"{command[0]} cannot be started: {error}", "fault")
    if status == 0 and _holds(log, sign, from_byte=log_size):
        return build_check_result(title, f"Works without a terminal; log: {log}")
    return build_check_result(
        title,
        f"It ends at once (status {status}) when {host_name} starts it. See what it says: {quote_command(*command)}; "
        f"log: {log}",
        "fault",
    )


def _holds(log: Path, text: str, *, from_byte: int) -> bool:
    """Whether a log has a text behind a byte; a log that was begun anew since is searched whole."""
    try:
        content = log.read_bytes()
    except OSError:
        return False
    return text.encode() in (content[from_byte:] if len(content) > from_byte else content)
