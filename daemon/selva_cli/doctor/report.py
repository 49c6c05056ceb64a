"""The file that is sent to a helper: the lines, versions, settings and the ends of the logs, redacted."""

from __future__ import annotations

import io
import json
import os
import platform
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import selva_core
from selva_cli.doctor.finding import System
from selva_cli.doctor.redaction import collect_redaction
from selva_cli.doctor.runner import CheckedLine
from selva_core.base.atomic_write import write_atomic
from selva_core.base.errors import OutputError

MAX_LOG_BYTES = 256 << 10
_LINES_NAME, _SYSTEM_NAME = "lines.json", "system.json"
_LOGS = ("*.log",)
_SHOWN_VARIABLES = ("LANG", "LC_ALL", "LC_CTYPE", "NO_COLOR", "TERM", "COLUMNS")


def describe_lines(lines: Sequence[CheckedLine]) -> Mapping[str, Any]:
    """The lines as `--json` prints them."""
    return {
        "version": selva_core.__version__,
        "ok": not any(line.finding.level == "fault" for line in lines),
        "lines": [
            {
                "check": line.check.name,
                "group": line.check.group,
                "title": line.finding.title,
                "level": line.finding.level,
                "text": line.finding.text,
                "remedy": line.finding.remedy or None,
                "fixable": line.finding.fix is not None,
                "mended": line.mended or None,
                "seconds": round(line.seconds, 3),
            }
            for line in lines
        ],
    }


def check_report_file(file: Path) -> None:
    """Check that a report replaces nothing but an earlier one. Raises OutputError."""
    if not os.path.lexists(file):
        return
    try:
        with zipfile.ZipFile(file) as archive:
            is_report = {_LINES_NAME, _SYSTEM_NAME} <= set(archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile):
        is_report = False
    if not is_report:
        raise OutputError(
            f"{file} exists already and is no report of Selva's; choose another name", path=str(file)
        )


def write_report(file: Path, lines: Sequence[CheckedLine], system: System) -> list[str]:
    """Write the archive; gives the names of what is in it. Raises OutputError."""
    redaction = collect_redaction(system.paths, system.home)
    content = io.BytesIO()
    names = []
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in _iter_parts(lines, system):
            archive.writestr(name, redaction.apply(text))
            names.append(name)
    write_atomic(file.absolute(), content.getvalue(), mode=0o600)
    return names


def _iter_parts(lines: Sequence[CheckedLine], system: System) -> Iterator[tuple[str, str]]:
    yield _LINES_NAME, json.dumps(describe_lines(lines), indent=1, ensure_ascii=False)
    yield _SYSTEM_NAME, json.dumps(_describe_system(system), indent=1, ensure_ascii=False)
    settings = system.paths.settings_file
    for file in (settings, settings.with_name("daemon.json")):
        if file.is_file():
            yield f"settings/{file.name}", file.read_text(encoding="utf-8", errors="replace")
    for pattern in _LOGS:
        for file in sorted(system.paths.state.glob(pattern)):
            yield f"logs/{file.name}", read_log_end(file)


def read_log_end(file: Path) -> str:
    """The last lines of a log. Those of the level debug are left out: they alone may hold prompts by design."""
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - MAX_LOG_BYTES))
        text = stream.read().decode("utf-8", errors="replace")
    return "".join(line for line in text.splitlines(keepends=True) if '"level": "debug"' not in line)


def _describe_system(system: System) -> Mapping[str, Any]:
    packages = {each.metadata["Name"]: each.version for each in distributions()}
    variables = {
        name: value
        for name, value in sorted(system.environment.items())
        if name in _SHOWN_VARIABLES or name.startswith(("SELVA_", "PYTHON"))
    }
    return {
        "selva": selva_core.__version__,
        "python": sys.version,
        "platform": platform.platform(),
        "processor": platform.machine(),
        "file_system_encoding": sys.getfilesystemencoding(),
        "variables": variables,
        "packages": dict(sorted(packages.items(), key=lambda item: str(item[0]).lower())),
    }
