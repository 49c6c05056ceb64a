"""Timelines that OpenTimelineIO adapters read for us, when they are installed."""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio

from selva_otio.errors import TimelineReadError, UnsupportedFormatError
from selva_otio.formats.otio import first_line, load_bounded, only_timeline


def load_aaf(path: Path) -> otio.schema.Timeline:
    """Advanced Authoring Format, as Avid writes it. Raises TimelineReadError, UnsupportedFormatError."""
    load_bounded(path)
    return _load_with(path, adapter="AAF", package="otio-aaf-adapter")


def _load_with(path: Path, *, adapter: str, package: str) -> otio.schema.Timeline:
    if adapter not in otio.adapters.available_adapter_names():
        raise UnsupportedFormatError(f"reading {path.suffix} files needs {package}: pip install {package}")
    try:
        root = otio.adapters.read_from_file(str(path), adapter_name=adapter)
    except Exception as error:  # adapters raise whatever their parser does
        raise TimelineReadError(f"{path} cannot be read ({adapter}): {first_line(error)}") from error
    return only_timeline(root, path)
