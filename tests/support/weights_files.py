"""Small files of weights, and rows of a model table that name them. Loads no torch: programs of tests import it."""

from __future__ import annotations

import hashlib
import json
import random

from selva_core.models.catalog import Excerpt, Model, ModelFile
from selva_core.models.licences import Licence

REPOSITORY = "lab/net"
LICENCE = Licence(licence_id="x", sentence="x", allows_commercial=True)


def safetensors_bytes(num_bytes: int, *, seed: int = 0) -> bytes:
    """A whole safetensors file with one tensor of so many bytes."""
    row = {"w": {"dtype": "U8", "shape": [num_bytes], "data_offsets": [0, num_bytes]}}
    header = json.dumps(row).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + random.Random(seed).randbytes(num_bytes)  # noqa: S311 - content of a test


def model_file(
    path: str,
    content: bytes,
    *,
    with_md5: bool = True,
    other_paths: tuple[str, ...] = (),
    excerpt: Excerpt | None = None,
) -> ModelFile:
    """The row of a file with this content."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest() if with_md5 else None
    return ModelFile(
        repository=REPOSITORY,
        path=path,
        size_bytes=len(content),
        md5=md5,
        other_paths=other_paths,
        excerpt=excerpt,
    )


def model_with(**files: ModelFile) -> Model:
    """A model whose files have these roles."""
    return Model(model_id="m", knows="", licences=(LICENCE,), spec=None, files=files)


PATH = "weights/a.pth"
CONTENT = safetensors_bytes(2_000_000)
"""The file that most tests pull."""
