"""Fetch the published weights: resumable, verified, and never an incomplete file under a model's name.

Downloads go through huggingface_hub into a staging folder inside the models folder, where a file is checked before it is
renamed to its final path. The SHA-256 of the first download is pinned in `hashes.json`; later downloads must have the same.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from selva_core.base.atomic_write import replace_patiently, write_atomic
from selva_core.base.errors import DownloadError, OutputError, WeightsMismatchError
from selva_core.models.catalog import Model, ModelFile, file_path, missing_files

STAGING_NAME = ".incoming"
PINS_NAME = "hashes.json"
_SPARE_DISK_BYTES = 500_000_000
_BLOCK_BYTES = 1 << 20
_MIN_SHARE_OF_PUBLISHED_SIZE = 0.5


@dataclass(frozen=True, kw_only=True)
class PullProgress:
    """The progress of a pull: the current file, its index, and the stage: "download", "verify" or "extract"."""

    stage: str
    path: str
    file_index: int
    num_files: int
    size_bytes: int


Fetch = Callable[[ModelFile, Path], Path]
"""Downloads one published file below a folder and returns its path."""


def pull_model(
    model: Model, models_dir: Path, *, on_progress: Callable[[PullProgress], None], fetch: Fetch | None = None
) -> list[Path]:
    """Fetch every file of `model` that is not installed; returns the paths that were added.

    Interrupting is safe: the staging folder keeps what was downloaded, and the next call resumes it. Raises DownloadError
    when the hub cannot be reached or refuses, WeightsMismatchError when a file is not the published one, OutputError when
    the disk is too full or not writable.
    """
    fetch = fetch_from_hub if fetch is None else fetch
    missing = {
        file.relative_path: file for file in missing_files(model, models_dir).values() if file.repository
    }
    staging = models_dir / STAGING_NAME
    _check_room(models_dir, sum(file.size_bytes for file in missing.values()))
    added = []
    for index, file in enumerate(missing.values()):

        def report(stage: str, file: ModelFile = file, index: int = index) -> None:
            on_progress(
                PullProgress(
                    stage=stage,
                    path=file.path,
                    file_index=index,
                    num_files=len(missing),
                    size_bytes=file.size_bytes,
                )
            )

        report("download")
        downloaded = fetch(file, staging / file.relative_path.parts[0])
        report("verify")
        _verify(file, downloaded, models_dir)
        if file.stored_name is not None:
            report("extract")
            downloaded = _extract_text_tower(downloaded)
        added.append(_install(downloaded, file_path(file, models_dir)))
    shutil.rmtree(staging, ignore_errors=True)
    return added


def fetch_from_hub(file: ModelFile, folder: Path) -> Path:
    """Download one file from the Hugging Face hub below `folder`, resuming an interrupted download.

    Raises DownloadError.
    """
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 - loads a web client
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415

    repository = file.repository or ""
    where = f"{file.path} of {repository}"
    details = {"repository": repository, "path": file.path}
    try:
        return Path(hf_hub_download(repository, file.path, local_dir=folder))
    except GatedRepoError as exc:
        message = f"{where} needs its licence accepted on the hub's page first, and a token in HF_TOKEN"
        raise DownloadError(message, **details) from exc
    except LocalEntryNotFoundError as exc:
        message = f"{where} could not be fetched: the hub does not answer; check the network and run the command again"
        raise DownloadError(message, **details) from exc
    except (HfHubHTTPError, OSError) as exc:
        raise DownloadError(f"{where} could not be fetched: {_first_line(exc)}", **details) from exc


def _first_line(exc: BaseException) -> str:
    return (str(exc).strip() or type(exc).__name__).splitlines()[0]


def _check_room(models_dir: Path, size_bytes: int) -> None:
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(models_dir).free
    except OSError as exc:
        message = (
            f"the models folder {models_dir} cannot be used ({exc.strerror}); set SELVA_MODELS_DIR to another"
        )
        raise OutputError(message, path=str(models_dir)) from exc
    if size_bytes and free_bytes < size_bytes + _SPARE_DISK_BYTES:
        raise OutputError(
            f"{free_bytes / 1e9:.1f} GB are free in {models_dir}; the download needs {size_bytes / 1e9:.1f} GB and some room. "
            "Free some space, or set SELVA_MODELS_DIR to a folder on another disk",
            path=str(models_dir),
            free_bytes=free_bytes,
            needed_bytes=size_bytes + _SPARE_DISK_BYTES,
        )


def _verify(file: ModelFile, downloaded: Path, models_dir: Path) -> None:
    """Compare with the published size and MD5, and with the pin of the first download; delete a wrong file."""
    size_bytes = downloaded.stat().st_size
    md5, sha256 = _hash_file(downloaded)
    pins = load_pins(models_dir)
    pinned = pins.get(file.relative_path.as_posix())
    complaint = ""
    if size_bytes < file.size_bytes * _MIN_SHARE_OF_PUBLISHED_SIZE:
        complaint = f"it has {size_bytes} bytes where about {file.size_bytes} are published"
    elif file.md5 is not None and md5 != file.md5:
        complaint = f"its MD5 is {md5}, published is {file.md5}"
    elif pinned is not None and sha256 != pinned:
        complaint = f"its SHA-256 is {sha256}, the first download's was {pinned}"
    if complaint:
        downloaded.unlink()
        raise WeightsMismatchError(
            f"{file.path} from {file.repository} is not the published file: {complaint}. It was deleted; run the command "
            "again, and if it repeats, the file on the hub has changed",
            path=file.path,
        )
    if pinned is None:
        _save_pins(models_dir, {**pins, file.relative_path.as_posix(): sha256})


def _hash_file(path: Path) -> tuple[str, str]:
    """MD5 (as published) and SHA-256 (as pinned), in one pass."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            md5.update(block)
            sha256.update(block)
    return md5.hexdigest(), sha256.hexdigest()


def load_pins(models_dir: Path) -> dict[str, str]:
    """SHA-256 (hex) of each published file as first downloaded, by its path under the models folder."""
    try:
        pins = json.loads((models_dir / PINS_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {str(key): str(value) for key, value in pins.items()}


def _save_pins(models_dir: Path, pins: Mapping[str, str]) -> None:
    write_atomic(models_dir / PINS_NAME, json.dumps(pins, indent=1, sort_keys=True).encode())


def _extract_text_tower(downloaded: Path) -> Path:
    """Store CLIP's text tower only, as safetensors: the file also holds an image tower of 2.5 GB that is not used."""
    from safetensors.torch import save_file  # noqa: PLC0415 - loads torch

    from selva_core.models.checkpoints import read_tensors  # noqa: PLC0415

    tensors = {
        k: t.contiguous().clone() for k, t in read_tensors(downloaded).items() if not k.startswith("visual.")
    }
    text_tower = downloaded.with_name("text_tower.safetensors")
    save_file(tensors, text_tower)
    downloaded.unlink()
    return text_tower


def _install(downloaded: Path, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_patiently(downloaded, path)
    return path
