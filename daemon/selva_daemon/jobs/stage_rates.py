"""How long a unit of work of each stage takes, by model and device: learnt from the jobs that ran, kept in the state folder."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from selva_core.base.atomic_write import write_atomic
from selva_core.base.errors import StorageError
from selva_core.base.regular_file import read_bounded

MAX_FILE_BYTES = 1 << 20
MAX_ROWS = 200
SAVE_EVERY_S = 20.0
_KEPT = 0.7
"""Share of what was learnt before that still counts after another job: the last few jobs weigh most."""
_log = logging.getLogger(__name__)


class Measured(Struct, frozen=True):
    """Seconds that so much work took, in the worker's units of cost."""

    seconds: float = 0.0
    work: float = 0.0

    def __add__(self, other: Measured) -> Measured:
        return Measured(self.seconds + other.seconds, self.work + other.work)

    @property
    def seconds_per_unit(self) -> float | None:
        return self.seconds / self.work if self.work > 0 else None


class StageRates:
    """Without a file, what is learnt ends with the daemon. Losing the file costs nothing but the first estimates."""

    def __init__(self, file: Path | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._is_changed = False
        self._save_at_s = clock()
        self._rows: dict[str, dict[str, Measured]] = _read(file) if file is not None else {}

    def seconds_per_unit(self, model: str, device: str, stage: str) -> float | None:
        """None before the first measurement."""
        return self._rows.get(_key(model, device), {}).get(stage, Measured()).seconds_per_unit

    def learn(self, model: str, device: str, measured: Mapping[str, Measured]) -> None:
        """What one job took, by stage."""
        key = _key(model, device)
        row = self._rows.pop(key, {})
        for stage, new in measured.items():
            if new.work > 0 and new.seconds > 0:
                before = row.get(stage, Measured())
                row[stage] = Measured(before.seconds * _KEPT, before.work * _KEPT) + new
                self._is_changed = True
        self._rows[key] = row  # the last is the one used last
        while len(self._rows) > MAX_ROWS:
            del self._rows[next(iter(self._rows))]
        if self._clock() >= self._save_at_s:
            self.save()

    def save(self) -> None:
        """Write what is new to the file."""
        if self._file is None or not self._is_changed:
            return
        self._is_changed = False
        self._save_at_s = self._clock() + SAVE_EVERY_S
        try:
            write_atomic(self._file, msgspec.json.encode(self._rows), error=StorageError)
        except (OSError, StorageError) as exc:
            _log.warning("how long stages take is not remembered: %s", exc)


def _key(model: str, device: str) -> str:
    return f"{model} on {device}, in units of 2026-12"  # files of before count other units


def _read(file: Path) -> dict[str, dict[str, Measured]]:
    try:
        return msgspec.json.decode(read_bounded(file, MAX_FILE_BYTES), type=dict[str, dict[str, Measured]])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as exc:
        _log.warning("%s cannot be read and is begun anew: %s", file, exc)
        return {}
