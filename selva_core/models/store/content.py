"""Looking inside weights files: hashes, and whether a file holds what its name promises."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from selva_core.base.errors import WeightsMismatchError
from selva_core.models.catalog import Model, ModelFile, listed_models
from selva_core.models.specs import ModelSpec
from selva_core.models.tensors.index import read_file_index
from selva_core.models.tensors.signatures import has_signature, require_fit
from selva_core.models.tensors.spans import TensorSpan, UnreadableIndexError

_BLOCK_BYTES = 1 << 20
_MAX_TOKENIZER_BYTES = 64 << 20
_DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64"}


@dataclass(frozen=True, kw_only=True)
class Hashes:
    """Hex digests: MD5 is what authors publish, SHA-256 what the record holds."""

    md5: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class RoleFile:
    """A file of the table with the role it has in the models that use it, and their sizes."""

    role: str
    file: ModelFile
    spec: ModelSpec | None


def files_of(model: Model) -> tuple[RoleFile, ...]:
    """The model's files, each once."""
    return tuple(RoleFile(role=role, file=file, spec=model.spec) for role, file in model.files.items())


def published_files() -> tuple[RoleFile, ...]:
    """The files of all models that are fetched, each once, in the order of the table."""
    by_path = {
        each.file.relative_path: each
        for model in reversed(listed_models())
        if not model.is_bundled
        for each in reversed(files_of(model))
    }
    return tuple(reversed(by_path.values()))


def hash_file(path: Path, *, on_bytes: Callable[[int], None] = lambda _: None) -> Hashes:
    """Both hashes in one pass. on_bytes: called with the bytes that were read since the last call. Raises OSError."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            md5.update(block)
            sha256.update(block)
            on_bytes(len(block))
    return Hashes(md5=md5.hexdigest(), sha256=sha256.hexdigest())


def require_content(path: Path, each: RoleFile, *, source: str) -> None:
    """Open the file and compare it with what its role needs. source: for messages. Raises WeightsMismatchError."""
    if has_signature(each.role):
        index = read_any_index(path)
        if each.spec is not None:
            require_fit(each.role, each.spec, index, source=source)
    elif path.suffix == ".json":
        _require_tokenizer(path, source)


def read_any_index(path: Path) -> Mapping[str, TensorSpan]:
    """The tensors of a file, through torch where it has an older layout. Raises WeightsMismatchError."""
    try:
        return read_file_index(path)
    except UnreadableIndexError:
        # The layout of torch before 1.6 has no directory. Only tensors are read from it, never code.
        from selva_core.models.checkpoints import read_tensors  # noqa: PLC0415 - loads torch

        return {
            name: TensorSpan(
                name=name,
                dtype=_DTYPES.get(str(tensor.dtype).removeprefix("torch."), "U8"),
                shape=tuple(tensor.shape),
                start=0,
            )
            for name, tensor in read_tensors(path).items()
        }


def _require_tokenizer(path: Path, source: str) -> None:
    try:
        if path.stat().st_size > _MAX_TOKENIZER_BYTES:
            raise ValueError("it is too large")
        vocabulary = json.loads(path.read_bytes())["model"]["vocab"]
        if len(vocabulary) < 1:
            raise ValueError("it is empty")
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise WeightsMismatchError(f"{source} is not a tokenizer: {exc}", source=source) from exc
