"""The actor that owns one device of a node and renders there. Ray starts it; what it is given and gives back are bytes."""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from selva_core.base.atomic_write import explain_os_error
from selva_core.base.errors import OutOfMemoryError, SelvaError, StorageError
from selva_core.base.paths import AppPaths
from selva_core.engine import BatchRequest, Engine, RenderProgress
from selva_core.engines.small_picture import small_range
from selva_daemon.protocol.errors import InternalError, ProtocolError
from selva_daemon.protocol.worker_link import WorkerEvent
from selva_daemon.worker.blob_store import BlobStore
from selva_daemon.worker.cluster.messages import (
    Call,
    CallResult,
    DeviceSetup,
    News,
    PictureProgress,
    PictureResult,
    Versions,
    decode,
    encode,
)
from selva_daemon.worker.engine_cache import EngineCache
from selva_daemon.worker.eviction import resist_scans
from selva_daemon.worker.model_info import ModelInfo, ModelInfoCache
from selva_daemon.worker.stem_cache import EvidenceHeader, pack_waveform

MAX_CALLS = 3
"""At the same time: one that renders, and questions about it."""
_PICTURE_NAME = re.compile(r"[0-9a-f]{64}\.(mp4|lumas)")
_log = logging.getLogger(__name__)


class DeviceActor:
    """Answers `perform` one call after the other, `news` meanwhile."""

    def __init__(self) -> None:
        """Reads nothing that was sent: a worker of another version may have sent it."""
        self._lock = threading.Lock()
        self._call_number = -1
        self._progress: dict[int, RenderProgress] = {}
        self._cancelled: frozenset[int] = frozenset()
        self._is_loaded = False

    def versions(self) -> bytes:
        import ray  # noqa: PLC0415 - what runs outside Ray, as tests do, needs none

        return encode(Versions.here(ray.__version__))

    def set_up(self, packed: bytes) -> None:
        """Called once, before anything else but `versions`."""
        setup = decode(packed, DeviceSetup)
        # Ray sets it to the number of CPUs that an actor reserves, and torch would then render on one of many.
        os.environ["OMP_NUM_THREADS"] = str(setup.num_threads)
        paths = AppPaths.find()
        self._folder = paths.cache / "pictures" / setup.folder
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._engines = EngineCache(
            device=setup.device,
            precision=setup.precision,
            acceleration=setup.acceleration,
            memory=setup.memory,
            events=_Unheard(),
            model_info=ModelInfoCache(paths.cache / "models.json", device=setup.device),
            features=BlobStore(
                paths.feature_cache, max_bytes=setup.feature_cache_bytes, eviction=resist_scans
            ),
        )

    def count_received(self, references: Sequence[Any]) -> int:
        """Bytes that arrived of what the daemon sent: calls pass through the head, pictures come from the daemon's machine."""
        return sum(len(_fetch(reference)) for reference in references)

    def news(self, number: int, cancelled: Sequence[int]) -> bytes:
        """What a call has come to since it was asked before, and which of its pictures are cancelled."""
        with self._lock:
            if number != self._call_number:
                return encode(News())
            self._cancelled = frozenset(cancelled)
            progress, self._progress = self._progress, {}
            is_loaded = self._is_loaded
        return encode(
            News(
                progress=tuple(PictureProgress.of(index, each) for index, each in progress.items()),
                is_loaded=is_loaded,
            )
        )

    def perform(self, packed: bytes, parts: Sequence[Sequence[Any]]) -> bytes:
        """parts: of each small picture, references to the parts of its file. Never raises what is an error of the job."""
        call = decode(packed, Call)
        with self._lock:
            self._call_number, self._progress, self._cancelled = call.number, {}, frozenset()
            self._is_loaded = False
        try:
            return encode(self._perform(call, parts))
        except SelvaError as exc:
            error = exc
        except MemoryError as exc:
            error = OutOfMemoryError(f"there was too little memory for this job: {exc}")
        except ImportError as exc:
            from selva_core.engines.registry import describe_broken_installation  # noqa: PLC0415 - a job's cost

            error = describe_broken_installation(exc)
        except Exception as exc:
            _log.exception("a fault while rendering")
            error = InternalError(f"a fault while rendering ({type(exc).__name__}: {exc})")
        return encode(CallResult(error=error))

    def _perform(self, call: Call, parts: Sequence[Sequence[Any]]) -> CallResult:
        engine = self._engines.engine_for(call.model, precision=call.precision)
        self._is_loaded = True
        with self._written(call, parts) as files:
            requests = [
                BatchRequest(
                    picture=small_range(file, picture.duration_s),
                    requests=[stem.to_request() for stem in picture.requests],
                    on_progress=partial(self._record, index),
                    is_cancelled=partial(self._is_cancelled, index),
                )
                for index, (picture, file) in enumerate(zip(call.pictures, files, strict=True))
            ]
            pictures = tuple(_look(engine, requests) if call.looks else _render(engine, requests, call))
        return CallResult(
            pictures=pictures,
            info=ModelInfo.of(engine),
            device_report=engine.device_report,
            max_batch_pictures=engine.max_batch_pictures,
        )

    @contextmanager
    def _written(self, call: Call, parts: Sequence[Sequence[Any]]) -> Iterator[list[Path]]:
        """The small pictures as files, under the same names and times whenever the same picture comes: what the engine keeps of
        a picture is found again by them.
        """
        files = []
        try:
            for picture, references in zip(call.pictures, parts, strict=True):
                if not _PICTURE_NAME.fullmatch(picture.name):
                    raise ProtocolError(f"a picture is named by its content; got {picture.name!r}")
                files.append(self._folder / picture.name)
                _write_picture(files[-1], references)
            yield files
        finally:
            for file in files:
                file.unlink(missing_ok=True)

    def _record(self, index: int, progress: RenderProgress) -> None:
        with self._lock:
            self._progress[index] = progress

    def _is_cancelled(self, index: int) -> bool:
        return index in self._cancelled


class _Unheard:
    """Takes what `EngineCache` reports: the result of the call says the same."""

    def send(self, event: WorkerEvent) -> None:
        _log.debug("%s", event)


def _write_picture(file: Path, references: Sequence[Any]) -> None:
    """Raises StorageError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)  # a person may have cleared the cache
        with file.open("wb") as stream:
            for reference in references:
                stream.write(_fetch(reference))
        os.utime(file, ns=(0, 0))
    except OSError as exc:
        raise StorageError(
            f"cannot write the picture of a job into {file.parent}: {explain_os_error(exc)}"
        ) from exc


def _fetch(reference: Any) -> bytes:
    """Bytes are given as they are where nothing is far away, as in tests."""
    if isinstance(reference, bytes):
        return reference
    import ray  # noqa: PLC0415

    return bytes(ray.get(reference))


def _render(engine: Engine, requests: Sequence[BatchRequest], call: Call) -> Iterator[PictureResult]:
    if not requests:
        return
    for outcome in engine.render_batch(requests, settings=call.sampling):
        if isinstance(outcome, SelvaError):
            yield PictureResult(error=outcome)
        else:
            yield PictureResult(waveforms=tuple(pack_waveform(waveform) for waveform in outcome))


def _look(engine: Engine, requests: Sequence[BatchRequest]) -> Iterator[PictureResult]:
    for request in requests:
        sights = engine.look(request)
        yield PictureResult(
            sights=tuple(None if sight is None else EvidenceHeader.of(sight) for sight in sights)
        )
