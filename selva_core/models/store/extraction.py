"""Make the excerpt of a file that lies here in whole."""

from __future__ import annotations

import re
from pathlib import Path

from selva_core.base.atomic_write import staged_file
from selva_core.models.catalog import Excerpt
from selva_core.models.tensors.byte_source import FileSource
from selva_core.models.tensors.excerpt import CopyPlan, plan_excerpt
from selva_core.models.tensors.index import read_index
from selva_core.models.tensors.spans import UnreadableIndexError

_BLOCK_BYTES = 1 << 20


def extract_file(source: Path, excerpt: Excerpt, target: Path | None = None) -> Path:
    """Write the excerpt beside the source, or to `target`; returns its path. The source is left alone.

    Raises WeightsMismatchError where the source has none of the tensors, OutputError.
    """
    target = target or source.with_name(f"{source.name}.{excerpt.stored_name}")
    keys = re.compile(excerpt.keys)
    try:
        with FileSource(source) as file:
            plan = plan_excerpt(read_index(file), lambda name: keys.fullmatch(name) is not None)
            with staged_file(target) as temporary:
                _copy_spans(file, plan, temporary)
    except UnreadableIndexError:
        _extract_with_torch(source, keys, target)
    return target


def _copy_spans(file: FileSource, plan: CopyPlan, target: Path) -> None:
    with target.open("wb") as stream:
        stream.write(plan.header)
        for span in plan.spans:
            for start in range(span.source_start, span.source_end, _BLOCK_BYTES):
                stream.write(file.read_at(start, min(_BLOCK_BYTES, span.source_end - start)))


def _extract_with_torch(source: Path, keys: re.Pattern[str], target: Path) -> None:
    """For layouts without a directory of tensors (torch before 1.6)."""
    from safetensors.torch import save_file  # noqa: PLC0415 - loads torch

    from selva_core.models.checkpoints import read_tensors  # noqa: PLC0415

    tensors = {
        key: tensor.contiguous().clone()
        for key, tensor in read_tensors(source).items()
        if keys.fullmatch(key)
    }
    with staged_file(target) as temporary:
        save_file(tensors, temporary)
