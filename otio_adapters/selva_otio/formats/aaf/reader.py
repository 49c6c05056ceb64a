"""AAF as Avid writes it, read by OpenTimelineIO's own adapter where that is installed."""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio

from selva_core.base.command_line import pip_install_command
from selva_otio.errors import TimelineReadError, UnsupportedFormatError
from selva_otio.formats.otio import find_only_timeline, first_line, load_timeline_bytes

_ADAPTER, _PACKAGE = "AAF", "otio-aaf-adapter"


def load_aaf(path: Path) -> otio.schema.Timeline:
    """The timeline of an AAF file. Raises TimelineReadError; UnsupportedFormatError without otio-aaf-adapter."""
    load_timeline_bytes(path)  # refuses what is missing or too large, which pyaaf2 reads without bound
    if _ADAPTER not in otio.adapters.available_adapter_names():
        raise UnsupportedFormatError(
            f"reading {path.suffix} files needs {_PACKAGE}; install it with: {pip_install_command(_PACKAGE)}"
        )
    try:
        root = otio.adapters.read_from_file(str(path), adapter_name=_ADAPTER)
    except (
        Exception
    ) as error:  # whatever pyaaf2 meets in a damaged file: struct.error, KeyError, errors of its own
        raise TimelineReadError(f"{path} cannot be read ({_ADAPTER}): {first_line(error)}") from error
    return find_only_timeline(root, path)
