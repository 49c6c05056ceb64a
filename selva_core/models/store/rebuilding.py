"""Write the record anew from the files that are there, when it was lost or torn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from selva_core.base.errors import WeightsMismatchError
from selva_core.models.record import InstalledFile, Record, save_record
from selva_core.models.store.content import RoleFile, hash_file, published_files, require_content


def rebuild_record(models_dir: Path, record: Record) -> Record:
    """Hash and open every known file; those that are whole are recorded, others are left out and count as missing only if
    they are too short. Takes as long as reading all of them. Raises OutputError.
    """
    rows = {
        path.as_posix(): row
        for each in published_files()
        for path in each.file.relative_paths
        if (row := _recorded(models_dir / path, each)) is not None
    }
    rebuilt = Record(rows, _without_contradictions(record.pins, rows))
    save_record(models_dir, rebuilt)
    return rebuilt


def _recorded(path: Path, each: RoleFile) -> InstalledFile | None:
    if not path.is_file():
        return None
    hashes = hash_file(path)
    is_damaged = path.name == Path(each.file.path).name and each.file.md5 not in (None, hashes.md5)
    try:
        require_content(path, each, source=str(path))
    except WeightsMismatchError:
        is_damaged = True
    return InstalledFile(
        size_bytes=path.stat().st_size, sha256=hashes.sha256, origin="found", is_damaged=is_damaged
    )


def _without_contradictions(pins: Mapping[str, str], rows: Mapping[str, InstalledFile]) -> Mapping[str, str]:
    return {path: sha256 for path, sha256 in pins.items() if path not in rows or not rows[path].is_damaged}
