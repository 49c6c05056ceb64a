"""Hash and open the files of a model, and keep what was found in the record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from selva_core.base.errors import WeightsMismatchError
from selva_core.models.catalog import BUNDLED_WEIGHTS_DIR, Model
from selva_core.models.record import InstalledFile, Record, load_record, save_record, with_file
from selva_core.models.store.content import RoleFile, files_of, hash_file, require_content
from selva_core.models.store.folder_lock import locked_folder
from selva_core.models.store.rebuilding import rebuild_record

WHOLE, DAMAGED, MISSING = "whole", "damaged", "missing"
BUNDLED_HASHES_NAME = "hashes.json"


@dataclass(frozen=True, kw_only=True)
class VerifiedFile:
    """state: WHOLE, DAMAGED or MISSING. compared_with: what its hash was compared with. problem: for people, when damaged."""

    role: str
    path: Path
    state: str
    sha256: str = ""
    compared_with: str = ""
    problem: str = ""


def verify_models(
    models: Iterable[Model],
    models_dir: Path,
    *,
    on_bytes: Callable[[int], None] = lambda _: None,
    on_wait: Callable[[], None] = lambda: None,
) -> dict[str, list[VerifiedFile]]:
    """Read every file of the models, each once, by model. Damaged ones count as missing from then on, so that the next pull
    replaces them.

    on_bytes: called with the bytes that were read since the last call. on_wait: before a wait for another process.

    Raises OutputError where the folder cannot be written.
    """
    verified: dict[str, list[VerifiedFile]] = {}
    seen: dict[Path, VerifiedFile] = {}
    for model in models:
        if model.is_bundled:
            verified[model.model_id] = [_verify_bundled(each, on_bytes) for each in files_of(model)]
            continue
        with locked_folder(models_dir, on_wait=on_wait):
            record = load_record(models_dir)
            if record.is_torn:
                record = rebuild_record(models_dir, record)
            files = []
            for each in files_of(model):
                key = each.file.relative_path
                if key not in seen:
                    seen[key], row = _verify(each, models_dir, record, on_bytes)
                    if row is not None:
                        record = with_file(record, seen[key].path.relative_to(models_dir), row)
                files.append(seen[key])
            save_record(models_dir, record)
            verified[model.model_id] = files
    return verified


def _verify(
    each: RoleFile, models_dir: Path, record: Record, on_bytes: Callable[[int], None]
) -> tuple[VerifiedFile, InstalledFile | None]:
    """What was found, and the row to record."""
    present = [path for path in each.file.relative_paths if (models_dir / path).is_file()]
    if not present:
        missing = VerifiedFile(role=each.role, path=models_dir / each.file.relative_path, state=MISSING)
        return missing, None
    relative_path = present[0]
    path = models_dir / relative_path
    row = record.find(relative_path)
    hashes = hash_file(path, on_bytes=on_bytes)
    is_source = each.file.excerpt is None
    problem, compared_with = "", "nothing: it was put there by hand and is recorded now"
    if row is not None:
        compared_with = "the SHA-256 of its installation"
        if hashes.sha256 != row.sha256:
            problem = f"its SHA-256 is {hashes.sha256}, installed was {row.sha256}"
    if is_source and each.file.md5 is not None:
        compared_with = "the published MD5"
        if hashes.md5 != each.file.md5:
            problem = f"its MD5 is {hashes.md5}, published is {each.file.md5}"
    if not problem:
        try:
            require_content(path, each, source=str(path))
        except WeightsMismatchError as exc:
            problem = exc.message
    # A damaged file keeps the hash that it should have.
    found = row or InstalledFile(size_bytes=path.stat().st_size, sha256=hashes.sha256, origin="found")
    found = replace(found, is_damaged=bool(problem))
    if not problem:
        found = replace(found, size_bytes=path.stat().st_size, sha256=hashes.sha256)
    verified = VerifiedFile(
        role=each.role,
        path=path,
        state=DAMAGED if problem else WHOLE,
        sha256=hashes.sha256,
        compared_with=compared_with,
        problem=problem,
    )
    return verified, found


def _verify_bundled(each: RoleFile, on_bytes: Callable[[int], None]) -> VerifiedFile:
    path = BUNDLED_WEIGHTS_DIR / each.file.relative_path
    if not path.is_file():
        return VerifiedFile(role=each.role, path=path, state=MISSING)
    hashes = hash_file(path, on_bytes=on_bytes)
    rows = json.loads((path.parent / BUNDLED_HASHES_NAME).read_text(encoding="utf-8"))
    published = rows.get(path.name, {}).get("sha256", hashes.sha256)
    problem = "" if hashes.sha256 == published else f"its SHA-256 is {hashes.sha256}, shipped was {published}"
    return VerifiedFile(
        role=each.role,
        path=path,
        state=DAMAGED if problem else WHOLE,
        sha256=hashes.sha256,
        compared_with="the SHA-256 of the package",
        problem=problem,
    )
