"""The hash that says which weights a model has; it loads no network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

_HASHED_BYTES = 1 << 20


def hash_files(files: Mapping[str, Path], *, sampling_mark: str = "") -> str:
    """SHA-256 (hex) over the roles and contents of a model's files, sorted by role, and, where there is one, the mark of how it
    samples (`ModelSpec.sampling_mark`): what other samples come from counts as other weights.
    """
    whole = hashlib.sha256()
    for role, path in sorted(files.items()):
        content = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_HASHED_BYTES):
                content.update(block)
        whole.update(f"{role}:{content.hexdigest()}\n".encode())
    if sampling_mark:
        whole.update(f"sampling:{sampling_mark}\n".encode())
    return whole.hexdigest()
