"""The record of the installed weights files: size, hashes, origin. One JSON file in the folder of weights.

The record detects files that are not whole: a size that differs from the recorded one makes a file count as
missing. Losing the record loses no model; `selva models verify` hashes the files and writes it anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from selva_core.base.atomic_write import write_atomic
from selva_core.base.errors import OutputError
from selva_core.base.regular_file import read_bounded

RECORD_NAME = "installed.json"
EARLIER_PINS_NAME = "hashes.json"
"""What versions up to 0.1.0 wrote: the SHA-256 of each file by its path."""
_DAMAGED_SUFFIX = ".damaged"
_MAX_RECORD_BYTES = 4 << 20
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class InstalledFile:
    """One file as it was when it was installed.

    origin: "pulled", "copied", "linked" (a hard link to another program's file) or "found". source: where it came from.
    fetched_bytes: what came over the network for it. is_damaged: `verify` found other content.
    """

    size_bytes: int
    sha256: str
    origin: str
    source: str = ""
    fetched_bytes: int = 0
    is_damaged: bool = False


@dataclass(frozen=True)
class Record:
    """files: by path under the folder, with slashes. pins: SHA-256 of the source of each file as first fetched, also of files
    that were removed. is_torn: the file of the record could not be read.
    """

    files: Mapping[str, InstalledFile] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)
    is_torn: bool = False

    def find(self, relative_path: Path) -> InstalledFile | None:
        return self.files.get(relative_path.as_posix())


def load_record(models_dir: Path) -> Record:
    """The record; empty where there is none. A damaged one is empty too, and says so."""
    try:
        content = json.loads(read_bounded(models_dir / RECORD_NAME, _MAX_RECORD_BYTES))
        files = {str(path): _parse_file(row) for path, row in content["files"].items()}
        pins = {str(path): str(sha256) for path, sha256 in content["pins"].items()}
    except FileNotFoundError:
        return Record(pins=_earlier_pins(models_dir))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Record(pins=_earlier_pins(models_dir), is_torn=True)
    return Record(files, pins)


def save_record(models_dir: Path, record: Record) -> None:
    """Replace the record, flushed to the disk; one that cannot be read is set aside first. Raises OutputError."""
    if load_record(models_dir).is_torn:
        with suppress(OSError):
            (models_dir / RECORD_NAME).replace(models_dir / f"{RECORD_NAME}{_DAMAGED_SUFFIX}")
    content = {
        "version": _VERSION,
        "files": {path: asdict(row) for path, row in sorted(record.files.items())},
        "pins": dict(sorted(record.pins.items())),
    }
    write_atomic(models_dir / RECORD_NAME, json.dumps(content, indent=1).encode(), error=OutputError)


def with_file(record: Record, relative_path: Path, row: InstalledFile, *, pin: str | None = None) -> Record:
    """The record with one file more; pin: of its source, where it is the first."""
    key = relative_path.as_posix()
    pins = record.pins if pin is None else {**record.pins, key: pin}
    return Record({**record.files, key: row}, pins)


def without_file(record: Record, relative_path: Path) -> Record:
    """The record without a file; its pin stays."""
    key = relative_path.as_posix()
    return Record({path: row for path, row in record.files.items() if path != key}, record.pins)


def _parse_file(row: object) -> InstalledFile:
    if not isinstance(row, dict) or type(row["size_bytes"]) is not int or not isinstance(row["sha256"], str):
        raise ValueError("a row of another shape")
    known = {each.name for each in fields(InstalledFile)}  # a later version may write more
    return InstalledFile(**{name: value for name, value in row.items() if name in known})


def _earlier_pins(models_dir: Path) -> dict[str, str]:
    try:
        pins = json.loads(read_bounded(models_dir / EARLIER_PINS_NAME, _MAX_RECORD_BYTES))
        return {str(path): str(sha256) for path, sha256 in pins.items()}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}
