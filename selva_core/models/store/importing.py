"""Take weights from a folder of files that were fetched elsewhere, or from another program's folder, by their content.

Files are recognised by the published MD5, or by the tensors they hold where none is published; their names and folders do
not matter. On the same drive a file is not copied but gets a second name (a hard link).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from selva_core.base.atomic_write import flush_folder, staged_file
from selva_core.base.errors import MediaNotFoundError, OutputError, WeightsMismatchError
from selva_core.models.catalog import find_file
from selva_core.models.record import InstalledFile, Record, load_record, save_record, with_file
from selva_core.models.store.content import (
    Hashes,
    RoleFile,
    hash_file,
    published_files,
    read_any_index,
    require_content,
)
from selva_core.models.store.extraction import extract_file
from selva_core.models.store.folder_lock import locked_folder
from selva_core.models.store.rebuilding import rebuild_record
from selva_core.models.store.room import require_room
from selva_core.models.tensors.signatures import fits, has_signature, is_reduced
from selva_core.models.tensors.spans import TensorSpan

_SUFFIXES = (".pth", ".pt", ".bin", ".safetensors", ".ckpt")
_BLOCK_BYTES = 1 << 20
_MIN_WEIGHTS_BYTES = 1 << 18
_SIZE_TOLERANCE = 0.05
_TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, kw_only=True)
class ImportedFile:
    """how: "linked", "copied" or "extracted" (only the tensors that are used were copied)."""

    source: Path
    path: Path
    how: str
    size_bytes: int


@dataclass(kw_only=True)
class ImportReport:
    """refused: files of weights that are not used, each with the reason. present: files that were installed already."""

    imported: list[ImportedFile] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    present: list[str] = field(default_factory=list)


def require_folder(folder: Path) -> None:
    """Raises MediaNotFoundError where there is no such folder; called before licences are shown for nothing."""
    if not folder.is_dir():
        raise MediaNotFoundError(
            f"there is no folder {folder}; name the folder that the files lie in", path=str(folder)
        )


def import_weights(
    folder: Path,
    models_dir: Path,
    *,
    on_file: Callable[[Path], None] = lambda _: None,
    on_wait: Callable[[], None] = lambda: None,
) -> ImportReport:
    """Add every published file that lies in or below `folder`, which is only read. on_file: called with each file looked at.
    on_wait: before a wait for another process.

    Raises MediaNotFoundError where there is no such folder, OutputError.
    """
    require_folder(folder)
    report = ImportReport()
    with locked_folder(models_dir, on_wait=on_wait):
        record = load_record(models_dir)
        if record.is_torn:
            record = rebuild_record(models_dir, record)
        for source in _iter_candidates(folder, models_dir):
            on_file(source)
            record = _import_one(source, models_dir, record, report)
        save_record(models_dir, record)
    return report


def _iter_candidates(folder: Path, models_dir: Path) -> Iterator[Path]:
    """Files that may hold weights, each content once; the hub's cache has links to files without an ending."""
    seen: set[Path] = set()
    for parent, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if Path(parent, name).resolve() != models_dir.resolve())
        for name in sorted(names):
            path = Path(parent, name)
            real = path.resolve()
            is_known = path.suffix in _SUFFIXES or name.endswith(_TOKENIZER)
            if not is_known or real in seen or not real.is_file():
                continue
            seen.add(real)
            if name.endswith(_TOKENIZER) or real.stat().st_size >= _MIN_WEIGHTS_BYTES:
                yield path


def _import_one(source: Path, models_dir: Path, record: Record, report: ImportReport) -> Record:
    try:
        match = _recognise(source)
    except WeightsMismatchError as exc:
        report.refused[str(source)] = exc.message
        return record
    except OSError as exc:
        report.refused[str(source)] = f"it cannot be read: {exc.strerror or exc}"
        return record
    if match is None:
        return record
    each, hashes = match
    present = find_file(each.file, models_dir, record)
    if present is not None:
        report.present.append(present.relative_to(models_dir).as_posix())
        return record
    target = models_dir / each.file.relative_path
    how = _bring(source, target, each)
    sha256 = hashes.sha256 if how != "extracted" else hash_file(target).sha256
    row = InstalledFile(
        size_bytes=target.stat().st_size,
        sha256=sha256,
        origin="linked" if how == "linked" else "copied",
        source=str(source),
    )
    report.imported.append(ImportedFile(source=source, path=target, how=how, size_bytes=row.size_bytes))
    record = with_file(record, each.file.relative_path, row, pin=hashes.sha256)
    save_record(models_dir, record)
    return record


def _recognise(source: Path) -> tuple[RoleFile, Hashes] | None:
    """Which file of the table it is; None for what has nothing to do with it. Raises WeightsMismatchError with the reason where
    it looks like one and is not.
    """
    if source.name.endswith(_TOKENIZER):
        return _recognise_tokenizer(source)
    index = read_any_index(source)
    candidates = [each for each in published_files() if _may_be(each, source, index)]
    if not candidates:
        return None
    hashes = hash_file(source)
    by_hash = [each for each in candidates if each.file.md5 == hashes.md5]
    if by_hash:
        return by_hash[0], hashes
    if is_reduced(index):
        raise WeightsMismatchError(
            "it holds numbers of half precision, not the published ones, and would sound different; fetch the published file"
        )
    by_content = [each for each in candidates if each.file.md5 is None]
    if by_content:
        return by_content[0], hashes
    names = ", ".join(each.file.path for each in candidates)
    raise WeightsMismatchError(
        f"it has the shapes of {names}, but its MD5 {hashes.md5} is not the published one: another program's weights (MMAudio's "
        "generators have the same shapes), or a damaged file"
    )


def _may_be(each: RoleFile, source: Path, index: Mapping[str, TensorSpan]) -> bool:
    if each.spec is None or not has_signature(each.role) or not fits(each.role, each.spec, index):
        return False
    # Vocoders of the same shapes exist; without a published hash the size of the file decides as well.
    if each.file.md5 is None and each.file.excerpt is None:
        size_bytes = source.stat().st_size
        return (
            is_reduced(index)
            or abs(size_bytes - each.file.size_bytes) <= _SIZE_TOLERANCE * each.file.size_bytes
        )
    return True


def _recognise_tokenizer(source: Path) -> tuple[RoleFile, Hashes] | None:
    """By its vocabulary: CLIP's and T5's have the sizes that the network's tables have."""
    try:
        require_content(
            source, RoleFile(role="tokenizer", file=published_files()[0].file, spec=None), source=str(source)
        )
        num_pieces = len(json.loads(source.read_bytes())["model"]["vocab"])
    except (WeightsMismatchError, OSError, ValueError):
        return None
    for each in published_files():
        spec = each.spec
        if spec is None:
            continue
        needed = {"clip_tokenizer": spec.clip_text.vocab_size, "t5_tokenizer": spec.t5.vocab_size}.get(
            each.role
        )
        # T5's table has spare rows beside the pieces.
        if needed is not None and needed - 128 <= num_pieces <= needed:
            return each, hash_file(source)
    return None


def _bring(source: Path, target: Path, each: RoleFile) -> str:
    """Put the file, or the part of it that is stored, to its path; returns how."""
    target.parent.mkdir(parents=True, exist_ok=True)
    excerpt = each.file.excerpt
    if excerpt is not None and _has_more(source, excerpt.keys):
        require_room(target.parent, excerpt.size_bytes, what="the import")
        extract_file(source.resolve(), excerpt, target)
        return "extracted"
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:  # another drive, or a file system without links
        require_room(target.parent, source.stat().st_size, what="the import")
        _copy(source, target)
        return "copied"
    flush_folder(target.parent)
    return "linked"


def _has_more(source: Path, keys: str) -> bool:
    return source.suffix != ".safetensors" or any(
        not re.fullmatch(keys, name) for name in read_any_index(source)
    )


def _copy(source: Path, target: Path) -> None:
    try:
        with staged_file(target) as temporary, source.open("rb") as reader, temporary.open("wb") as writer:
            while block := reader.read(_BLOCK_BYTES):
                writer.write(block)
    except OSError as exc:
        if isinstance(exc, OutputError):
            raise
        raise OutputError(f"cannot copy {source}: {exc.strerror or exc}", path=str(source)) from exc
