"""What keys and results need to know of a model, remembered so that a cached answer loads no model.

Hashing gigabytes of weights and loading them takes long; what was read holds as long as the weights' files have the same
sizes and modification times.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec

import selva_core
from selva_core.base.atomic_write import write_atomic
from selva_core.base.errors import OutputError
from selva_core.engine import Engine
from selva_core.models.catalog import default_models_dir, find_model, installed_files

_log = logging.getLogger(__name__)


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """notices: sentences that every result of the model carries. key_precision: see `selva_core.engine.Engine`."""

    model_id: str
    weights_sha256: str
    licence: str
    notices: tuple[str, ...]
    key_precision: str = ""

    @classmethod
    def of(cls, engine: Engine) -> ModelInfo:
        return cls(
            model_id=engine.model_id,
            weights_sha256=engine.weights_sha256,
            licence=engine.licence,
            notices=engine.notices,
            key_precision=engine.key_precision,
        )


class ModelInfoCache:
    """A small JSON file; losing it costs one loading of each model."""

    def __init__(self, file: Path, *, device: str = "auto") -> None:
        """device: as the worker was asked for it: which precision "auto" means depends on it."""
        self._file = file
        self._device = device

    def get(self, model_id: str, *, precision: str = "auto") -> ModelInfo | None:
        """What was stored of this model where this precision was asked for, if the weights are still the same.

        Raises UnknownModelError.
        """
        signature = _signature(model_id, self._device, precision)
        entry = None if signature is None else self._read().get(signature)
        try:
            return None if entry is None else msgspec.convert(entry, ModelInfo)
        except msgspec.ValidationError:
            return None

    def put(self, info: ModelInfo, *, precision: str = "auto") -> None:
        """Store what was read off a loaded engine; a full disk costs the entry, never the caller."""
        signature = _signature(info.model_id, self._device, precision)
        if signature is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._file, msgspec.json.encode({**self._read(), signature: info}))
        except (OSError, OutputError) as exc:
            _log.warning("what is known of %s is not remembered: %s", info.model_id, exc)

    def _read(self) -> Mapping[str, object]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, object])
        except (OSError, msgspec.DecodeError):
            return {}


def _signature(model_id: str, device: str, precision: str) -> str | None:
    """Identifies the weights as they lie on disk, how the model's row samples with them, and where and how they run.

    None for a model without files, which loads immediately anyway.
    """
    model = find_model(model_id)
    files = installed_files(model, default_models_dir())
    if not files:
        return None
    lines = [selva_core.__version__, model_id, device, precision]
    if model.spec is not None and model.spec.sampling_mark:
        # Part of the hash that is remembered (`hash_files`), and changes without any file.
        lines.append(f"sampling:{model.spec.sampling_mark}")
    for role, path in sorted(files.items()):
        status = path.stat()
        lines.append(f"{role}:{path}:{status.st_size}:{status.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode("utf-8", errors="surrogatepass")).hexdigest()
