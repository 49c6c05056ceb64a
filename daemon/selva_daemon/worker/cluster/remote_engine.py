"""An engine whose network is on another machine: it sends what the network sees of each picture, and gets waveforms back."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from selva_core.base.errors import (
    RenderCancelled,
    SelvaError,
    StorageError,
    WeightsMissingError,
)
from selva_core.engine import BatchRequest, Engine, Evidence, RenderProgress, SamplingSettings, Waveform
from selva_core.engines.batch import BatchEngine
from selva_core.engines.small_picture import small_picture_suffix, write_small_picture
from selva_core.models.catalog import default_models_dir, find_model, installed_files
from selva_core.models.file_hash import hash_files
from selva_daemon.protocol.worker_link import ModelLoaded
from selva_daemon.worker.cluster.messages import Call, CallResult, PictureMessage, StemMessage
from selva_daemon.worker.cluster.remote_device import RemoteDevice
from selva_daemon.worker.cluster.sent_pictures import PictureKey, SentPicture, SentPictures
from selva_daemon.worker.device_lost import REQUEUED, DeviceLostError
from selva_daemon.worker.model_info import ModelInfo
from selva_daemon.worker.server_link import EventReceiver
from selva_daemon.worker.stem_cache import unpack_waveform

PART_BYTES = 32 << 20
"""Of a file in one object of Ray's store, so that a long clip is never held in memory as a whole."""
_log = logging.getLogger(__name__)


class KnownWeights:
    """The hash of each model's weights that every device must have: of this machine's own, else of the first device's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hashes: dict[str, str] = {}

    def expected(self, model_id: str, found: str) -> str:
        with self._lock:
            if model_id not in self._hashes:
                model = find_model(model_id)
                files = installed_files(model, default_models_dir())
                mark = "" if model.spec is None else model.spec.sampling_mark
                self._hashes[model_id] = hash_files(files, sampling_mark=mark) if files else found
            return self._hashes[model_id]


class RemoteEngines:
    """The engines of one device, for `JobRenderer`."""

    def __init__(
        self,
        device: RemoteDevice,
        *,
        events: EventReceiver,
        weights: KnownWeights,
        pictures: SentPictures,
        on_refusal: Callable[[str], None],
    ) -> None:
        """weights, pictures: shared by all devices. on_refusal: called with a sentence when the device is of no use."""
        self._device = device
        self._events = events
        self._weights = weights
        self._pictures = pictures
        self._on_refusal = on_refusal
        self._known: dict[tuple[str, str], CallResult] = {}

    def info_of(
        self, model_id: str, *, precision: str = "auto", on_load: Callable[[], object] = lambda: None
    ) -> ModelInfo:
        """Raises ModelError, DeviceLostError."""
        result = self._loaded(model_id, precision, on_load)
        assert result.info is not None  # noqa: S101 - a call without an error has it
        return result.info

    def engine_for(
        self, model_id: str, *, precision: str = "auto", on_load: Callable[[], object] = lambda: None
    ) -> Engine:
        """Raises ModelError, DeviceLostError."""
        loaded = self._loaded(model_id, precision, on_load)
        return RemoteEngine(
            self._device, loaded, precision=precision, pictures=self._pictures, refuse=self._refuse
        )

    def _loaded(self, model_id: str, precision: str, on_load: Callable[[], object]) -> CallResult:
        key = (model_id, precision)
        if key not in self._known:
            on_load()
            result = self._device.perform(Call(number=0, model=model_id, precision=precision))
            if isinstance(result.error, WeightsMissingError):
                self._refuse(result.error.message)
            if result.error is not None:
                raise result.error
            self._require_same_weights(model_id, result)
            self._known[key] = result
            self._report(model_id, result)
        return self._known[key]

    def _require_same_weights(self, model_id: str, result: CallResult) -> None:
        assert result.info is not None  # noqa: S101 - as above
        found = result.info.weights_sha256
        expected = self._weights.expected(model_id, found)
        if found != expected:
            self._refuse(
                f"the weights of {model_id} there (SHA-256 {found[:12]}…) are not those here ({expected[:12]}…); "
                "install the same on both"
            )

    def _refuse(self, problem: str) -> NoReturn:
        self._on_refusal(problem)
        self._device.end()
        raise DeviceLostError(f"{self._device.name} is not used: {problem}", outcome=REQUEUED)

    def _report(self, model_id: str, result: CallResult) -> None:
        assert result.info is not None  # noqa: S101 - as above
        self._events.send(
            ModelLoaded(
                model=model_id,
                device_report=f"{self._device.name}: {result.device_report}",
                notices=result.info.notices,
                max_batch_pictures=result.max_batch_pictures,
            )
        )


class RemoteEngine(BatchEngine):
    """See `selva_core.engine.Engine`."""

    def __init__(
        self,
        device: RemoteDevice,
        loaded: CallResult,
        *,
        precision: str,
        pictures: SentPictures,
        refuse: Callable[[str], NoReturn],
    ) -> None:
        """refuse: gives the device up for a reason, and its job to another."""
        assert loaded.info is not None  # noqa: S101 - of a call without an error
        self._device = device
        self._info = loaded.info
        self._precision = precision
        self._pictures = pictures
        self._refuse = refuse
        self.model_id = loaded.info.model_id
        self.weights_sha256 = loaded.info.weights_sha256
        self.licence = loaded.info.licence
        self.key_precision = loaded.info.key_precision
        self.notices = loaded.info.notices
        self.device_report = loaded.device_report
        self.max_batch_pictures = loaded.max_batch_pictures

    def render_batch(
        self, requests: Sequence[BatchRequest], *, settings: SamplingSettings
    ) -> list[list[Waveform] | SelvaError]:
        """See `selva_core.engine.Engine.render_batch`. Raises DeviceLostError too."""
        outcomes: dict[int, list[Waveform] | SelvaError] = {}
        sent: dict[int, SentPicture] = {}
        for index, request in enumerate(requests):
            try:
                sent[index] = self._send_picture(request)
            except SelvaError as error:
                outcomes[index] = error
        if sent:
            result = self._perform(requests, sent, settings)
            for index, picture in zip(sent, result.pictures, strict=True):
                outcomes[index] = picture.error or [unpack_waveform(blob) for blob in picture.waveforms]
        return [outcomes[index] for index in range(len(requests))]

    def look(self, request: BatchRequest) -> list[Evidence | None]:
        """See `selva_core.engine.Engine.look`. Raises DeviceLostError too."""
        result = self._perform([request], {0: self._send_picture(request)}, SamplingSettings(), looks=True)
        [picture] = result.pictures
        if picture.error is not None:
            raise picture.error
        return [None if sight is None else sight.to_evidence() for sight in picture.sights]

    def close(self) -> None:
        """Does nothing: the device's memory is freed when its actor ends."""

    def _perform(
        self,
        requests: Sequence[BatchRequest],
        sent: Mapping[int, SentPicture],
        settings: SamplingSettings,
        *,
        looks: bool = False,
    ) -> CallResult:
        """sent: the pictures of some of the requests, by their number."""
        performed = [requests[index] for index in sent]
        call = Call(
            number=0,
            model=self.model_id,
            precision=self._precision,
            pictures=tuple(
                PictureMessage(
                    name=picture.name,
                    duration_s=requests[index].picture.duration_s,
                    requests=tuple(StemMessage.of(each) for each in requests[index].requests),
                )
                for index, picture in sent.items()
            ),
            sampling=settings,
            looks=looks,
        )
        try:
            result = self._device.perform(
                call,
                [picture.parts for picture in sent.values()],
                on_progress=partial(_pass_progress, performed),
                cancelled=lambda: [
                    index for index, request in enumerate(performed) if request.is_cancelled()
                ],
            )
            if isinstance(result.error, StorageError):
                self._refuse(f"on its node: {result.error.message}")
            if result.error is not None:
                raise result.error
        except SelvaError:
            self._pictures.forget(sent.values())
            raise
        return result

    def _send_picture(self, request: BatchRequest) -> SentPicture:
        """Read the media here, and put what the model sees of it where the device can fetch it, unless it lies there already.
        Raises MediaError.
        """
        request.on_progress(RenderProgress(stage="picture", fraction=0.0))
        key = PictureKey.of(request.picture, small_picture_suffix(self.model_id))
        found = self._pictures.find(key)
        if found is None:
            found = self._read_picture(request, key.suffix)
            self._pictures.store(key, found)
        return found

    def _read_picture(self, request: BatchRequest, suffix: str) -> SentPicture:
        def check() -> None:
            if request.is_cancelled():
                raise RenderCancelled("the job was cancelled")
            self._device.touch()

        with tempfile.TemporaryDirectory(prefix="selva-picture-") as folder:
            file = Path(folder) / f"picture{suffix}"
            write_small_picture(request.picture, file, model_id=self.model_id, check=check)
            digest = hashlib.sha256()
            parts = []
            for part in _iter_parts(file):
                check()
                digest.update(part)
                parts.append(self._device.put(part))
            size_bytes = file.stat().st_size
        return SentPicture(name=f"{digest.hexdigest()}{suffix}", parts=tuple(parts), size_bytes=size_bytes)


def _iter_parts(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while part := stream.read(PART_BYTES):
            yield part


def _pass_progress(requests: Sequence[BatchRequest], index: int, progress: RenderProgress) -> None:
    """A job that is cancelled says so by raising; the device hears of it with the next question."""
    try:
        requests[index].on_progress(progress)
    except RenderCancelled:
        _log.debug("progress of a cancelled job")
