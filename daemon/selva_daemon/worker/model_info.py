"""What keys and results need to know of a model, remembered so that a cached answer loads no model.

Hashing gigabytes of weights and loading them takes long; the facts hold as long as the weights' files have
the same sizes and modification times.
"""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import selva_core
from selva_core.engine import Engine
from selva_core.models.catalog import default_models_dir, find_model, installed_files

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """notices: sentences that every result of the model carries."""

    model_id: str
    weights_sha256: str
    licence: str
    notices: tuple[str, ...]

    @classmethod
    def of(cls, engine: Engine) -> ModelInfo:
        return cls(
            model_id=engine.model_id,
            weights_sha256=engine.weights_sha256,
            licence=engine.licence,
            notices=engine.notices,
        )


class ModelInfoCache:
    """A small JSON file; losing it costs one loading of each model."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def recall(self, model_id: str) -> ModelInfo | None:
        """The facts, if the weights are those they were learnt from. Raises UnknownModelError."""
        signature = _signature(model_id)
        entry = None if signature is None else self._read().get(signature)
        if not isinstance(entry, dict):
            return None
        try:
            return ModelInfo(**{**entry, "notices": tuple(entry["notices"])})
        except (KeyError, TypeError):
            return None

    def learn(self, facts: ModelInfo) -> None:
        """Remember facts read off a loaded engine; a full disk costs the memory, never the caller."""
        signature = _signature(facts.model_id)
        if signature is None:
            return
        temporary = self._file.with_name(f".{self._file.name}.{uuid.uuid4().hex}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps({**self._read(), signature: asdict(facts)}), encoding="utf-8")
            temporary.replace(self._file)
        except OSError as exc:
            temporary.unlink(missing_ok=True)
            _log.warning("the facts of %s are not remembered: %s", facts.model_id, exc)

    def _read(self) -> Mapping[str, object]:
        try:
            entries = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}


def _signature(model_id: str) -> str | None:
    """Names the weights as they lie on disk; None for a model without files, which loads at once anyway."""
    files = installed_files(find_model(model_id), default_models_dir())
    if not files:
        return None
    lines = [selva_core.__version__, model_id]
    for role, path in sorted(files.items()):
        status = path.stat()
        lines.append(f"{role}:{path}:{status.st_size}:{status.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode("utf-8", errors="surrogatepass")).hexdigest()
