"""Fetch the published weights: resumable across processes, verified, and never an incomplete file under a model's name.

Each file is fetched into a partial file in a staging folder inside the folder of weights, hashed, opened and compared with
what its role needs, flushed, and only then renamed to its path. Of CLIP and FLAN-T5 only the tensors that are used are
fetched and stored, where the server sends ranges.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from selva_core.base.atomic_write import (
    TEMPORARY_PREFIX,
    explain_os_error,
    flush_file,
    flush_folder,
    replace_patiently,
)
from selva_core.base.command_line import selva_command
from selva_core.base.errors import DownloadError, OutputError, WeightsMismatchError
from selva_core.models.catalog import Model, ModelFile, missing_files
from selva_core.models.record import InstalledFile, Record, load_record, save_record, with_file
from selva_core.models.store.content import Hashes, RoleFile, hash_file, require_content
from selva_core.models.store.extraction import extract_file
from selva_core.models.store.folder_lock import locked_folder
from selva_core.models.store.rebuilding import rebuild_record
from selva_core.models.store.room import require_room
from selva_core.models.tensors.excerpt import (
    CopyPlan,
    find_damaged_span,
    plan_excerpt,
    plan_whole_file,
)
from selva_core.models.tensors.index import read_index
from selva_core.models.tensors.spans import UnreadableIndexError
from selva_core.models.transfer.download import ChangedOnHubError, RangesIgnoredError, Transfer
from selva_core.models.transfer.hub import Hub, RemoteFile
from selva_core.models.transfer.partial_file import Origin, PartialFile

STAGING_NAME = ".incoming"
_MIN_SHARE_OF_PUBLISHED_SIZE = 0.5
_MAX_STARTS = 2


@dataclass(frozen=True, kw_only=True)
class PullProgress:
    """The progress of a pull.

    stage: "look-up", "download", "verify", "extract", "retry" or "wait" (for another process). path, file_index: of the file
    it is at. done_bytes, total_bytes: of all files of this pull, on the disk. note: for people, with "retry".
    """

    stage: str
    path: str
    file_index: int
    num_files: int
    done_bytes: int
    total_bytes: int
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class PullReport:
    """What a pull added. fetched_bytes: over the network, in this call. stored_bytes: of the files on disk."""

    added: tuple[Path, ...] = ()
    fetched_bytes: int = 0
    stored_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One file to fetch. is_extracted: the whole file is fetched and its excerpt made here."""

    each: RoleFile
    remote: RemoteFile
    plan: CopyPlan
    is_extracted: bool = False

    @property
    def origin(self) -> Origin:
        return Origin(
            url=self.remote.url, etag=self.remote.etag, size_bytes=self.remote.size_bytes, plan=self.plan
        )

    @property
    def scratch_bytes(self) -> int:
        """Beside the partial file itself."""
        excerpt = self.each.file.excerpt
        return excerpt.size_bytes if excerpt is not None and self.is_extracted else 0


@dataclass(kw_only=True)
class _Meter:
    """Counts the bytes of a pull and says where it is."""

    on_progress: Callable[[PullProgress], None]
    num_files: int = 0
    total_bytes: int = 0
    done_bytes: int = 0
    file_index: int = 0
    path: str = ""
    stage: str = "look-up"

    def show(self, stage: str, note: str = "") -> None:
        self.stage = stage
        self.on_progress(
            PullProgress(
                stage=stage,
                path=self.path,
                file_index=self.file_index,
                num_files=self.num_files,
                done_bytes=self.done_bytes,
                total_bytes=self.total_bytes,
                note=note,
            )
        )

    def add(self, num_bytes: int) -> None:
        self.done_bytes += num_bytes
        self.show("download")


def pull_model(
    model: Model,
    models_dir: Path,
    *,
    on_progress: Callable[[PullProgress], None],
    hub: Hub | None = None,
    accept_changed: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> PullReport:
    """Fetch every file of `model` that is not installed.

    Interrupting and killing are safe: what was fetched is kept, and the next call goes on with it. accept_changed: accept
    files that differ from those that were fetched first. sleep: waits between attempts.

    Raises DownloadError when the hub cannot be reached or refuses,
    WeightsMismatchError when a file is not the published one, OutputError when the disk is too full or not writable.
    """
    meter = _Meter(on_progress=on_progress)
    with locked_folder(models_dir, on_wait=lambda: meter.show("wait")):
        record = load_record(models_dir)
        if record.is_torn:
            record = rebuild_record(models_dir, record)
        missing = {
            file.relative_path: RoleFile(role=role, file=file, spec=model.spec)
            for role, file in missing_files(model, models_dir).items()
            if file.repository
        }
        if not missing:
            return PullReport()
        transfer = Transfer(
            hub=hub or Hub(),
            on_fetched=meter.add,
            on_wait=lambda reason, seconds: meter.show("retry", f"{reason}; again in {seconds:.0f} s"),
            sleep=sleep,
        )
        return _Pull(model.model_id, models_dir, record, transfer, meter, accept_changed).run(
            list(missing.values())
        )


def partial_file(models_dir: Path, file: ModelFile) -> PartialFile:
    """The path of a file's partial download, the same for every process that fetches it."""
    return PartialFile(models_dir / STAGING_NAME / file.relative_path.as_posix().replace("/", "--"))


@dataclass
class _Pull:
    model_id: str
    models_dir: Path
    record: Record
    transfer: Transfer
    meter: _Meter
    accept_changed: bool
    added: list[Path] = field(default_factory=list)

    def run(self, missing: list[RoleFile]) -> PullReport:
        self.transfer.hub.require_online()
        self.meter.num_files = len(missing)
        jobs = []
        for index, each in enumerate(missing):
            self.meter.file_index, self.meter.path = index, each.file.path
            self.meter.show("look-up")
            jobs.append(self._look_up(each))
        already = {job.each.file.relative_path: self._partial(job).count_bytes(job.origin) for job in jobs}
        sizes = [job.plan.size_bytes for job in jobs]
        self.meter.total_bytes, self.meter.done_bytes = sum(sizes), sum(already.values())
        scratch = max(job.scratch_bytes for job in jobs)
        require_room(self.models_dir, sum(sizes) - sum(already.values()) + scratch, what="the download")
        for index, job in enumerate(jobs):
            self.meter.file_index, self.meter.path = index, job.each.file.path
            self._fetch(job)
        _remove_leftovers(self.models_dir / STAGING_NAME)
        return PullReport(
            added=tuple(self.added),
            fetched_bytes=self.transfer.num_fetched_bytes,
            stored_bytes=sum(path.stat().st_size for path in self.added),
        )

    def _partial(self, job: _Job) -> PartialFile:
        return partial_file(self.models_dir, job.each.file)

    def _look_up(self, each: RoleFile) -> _Job:
        file = each.file
        remote = self.transfer.look_up(file.repository or "", (file.path, *file.other_paths))
        if remote.size_bytes < file.size_bytes * _MIN_SHARE_OF_PUBLISHED_SIZE:
            raise WeightsMismatchError(
                f"{remote.name} has {remote.size_bytes} bytes where about {file.size_bytes} are published: a page of this "
                "network or of a mirror instead of the file; open the hub in a browser on this machine, and check HF_ENDPOINT",
                path=file.path,
            )
        whole = plan_whole_file(remote.size_bytes)
        if file.excerpt is None:
            return _Job(each=each, remote=remote, plan=whole)
        keys = re.compile(file.excerpt.keys)
        try:
            index = read_index(_RemoteSource(self.transfer, remote))
            plan = plan_excerpt(index, lambda name: keys.fullmatch(name) is not None)
        except (RangesIgnoredError, UnreadableIndexError, ChangedOnHubError):
            return _Job(each=each, remote=remote, plan=whole, is_extracted=True)
        return _Job(each=each, remote=remote, plan=plan)

    def _fetch(self, job: _Job) -> None:
        before = self.transfer.num_fetched_bytes
        for _ in range(_MAX_STARTS):
            partial = self._partial(job)
            try:
                with partial.open(job.origin):
                    self.meter.show("download")
                    self.transfer.copy(job.remote, job.plan, partial)
            except ChangedOnHubError:
                partial.discard()
                self.meter.done_bytes -= partial.position
                job = self._look_up(job.each)
                continue
            if self._cut_at_damage(job, partial):
                continue
            self._install(job, partial, self.transfer.num_fetched_bytes - before)
            return
        raise DownloadError(
            f"{job.remote.name} changed on the hub, or was damaged on the way, {_MAX_STARTS} times; run the command again later",
            path=job.each.file.path,
        )

    def _cut_at_damage(self, job: _Job, partial: PartialFile) -> bool:
        """Whether a tensor arrived damaged; what came before it is kept."""
        self.meter.show("verify")
        damaged = find_damaged_span(job.plan, partial.path)
        if damaged is None:
            return False
        partial.truncate(damaged.target_start)
        self.meter.done_bytes -= job.plan.size_bytes - damaged.target_start
        return True

    def _install(self, job: _Job, partial: PartialFile, fetched_bytes: int) -> None:
        file, staged = job.each.file, partial.path
        hashes = hash_file(staged)
        is_source = file.excerpt is None or job.is_extracted
        try:
            pin = self._require_published(job, hashes if is_source else None)
            if job.is_extracted and file.excerpt is not None:
                self.meter.show("extract")
                staged = extract_file(staged, file.excerpt)
                hashes = hash_file(staged)
            require_content(staged, job.each, source=job.remote.name)
        except WeightsMismatchError:
            partial.discard()
            staged.unlink(missing_ok=True)
            raise
        target = self.models_dir / file.relative_path
        row = InstalledFile(
            size_bytes=staged.stat().st_size,
            sha256=hashes.sha256,
            origin="pulled",
            source=f"{job.remote.repository}/{job.remote.path}@{job.remote.commit or job.remote.etag}",
            fetched_bytes=fetched_bytes,
        )
        _rename_durably(staged, target)
        self.record = with_file(self.record, file.relative_path, row, pin=pin)
        save_record(self.models_dir, self.record)
        partial.discard()  # what is left of it: the note, and the whole file where an excerpt was made here
        self.added.append(target)

    def _require_published(self, job: _Job, hashes: Hashes | None) -> str | None:
        """Compare with the published hashes and with the first fetch. hashes: of the whole source; None for an excerpt of it.

        Returns the SHA-256 of the source, where it is known.
        """
        file, remote = job.each.file, job.remote
        sha256 = remote.sha256 if hashes is None else hashes.sha256
        pinned = None if self.accept_changed else self.record.pins.get(file.relative_path.as_posix())
        if hashes is not None and file.md5 is not None and hashes.md5 != file.md5:
            complaint = f"its MD5 is {hashes.md5}, published is {file.md5}"
        elif hashes is not None and remote.sha256 is not None and hashes.sha256 != remote.sha256:
            complaint = f"its SHA-256 is {hashes.sha256}, the hub states {remote.sha256}"
        elif pinned is not None and sha256 is not None and sha256 != pinned:
            complaint = f"its SHA-256 is {sha256}, the first download's was {pinned}"
        else:
            return sha256
        again = selva_command("models", "pull", self.model_id, "--accept-changed")
        raise WeightsMismatchError(
            f"{remote.name} is not the published file: {complaint}. It was deleted; run the command again. If it repeats, the "
            f"file on the hub has changed: update Selva Bridge, or, where only the first download's hash differs, {again}",
            path=file.path,
        )


@dataclass(frozen=True)
class _RemoteSource:
    """A file on the hub of which ranges are read; see `ByteSource`."""

    transfer: Transfer
    remote: RemoteFile

    @property
    def name(self) -> str:
        return self.remote.name

    @property
    def size_bytes(self) -> int:
        return self.remote.size_bytes

    def read_at(self, offset: int, num_bytes: int) -> bytes:
        return self.transfer.read_at(self.remote, offset, num_bytes)


def _rename_durably(staged: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        flush_file(staged)
        replace_patiently(staged, target)
        flush_folder(target.parent)
    except OSError as exc:
        raise OutputError(f"cannot write {target}: {explain_os_error(exc)}", path=str(target)) from exc


def _remove_leftovers(staging: Path) -> None:
    """Folders in which versions up to 0.1.0 staged their downloads, and what a killed extraction left behind; partial files
    of other models stay.
    """
    with suppress(OSError):
        for path in list(staging.iterdir()):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name.startswith(TEMPORARY_PREFIX):
                path.unlink()
        staging.rmdir()
