"""The one engine that a process has loaded."""

from __future__ import annotations

from collections.abc import Callable

from selva_core.engine import Engine
from selva_daemon.protocol.worker_link import ModelLoaded
from selva_daemon.worker.blob_store import BlobStore
from selva_daemon.worker.model_info import ModelInfo, ModelInfoCache
from selva_daemon.worker.server_link import EventReceiver


class EngineCache:
    """Holds the one engine that is loaded; asking for another closes it first.

    precision: of jobs that leave it to the daemon ("auto"); it may be "auto" itself.
    """

    def __init__(
        self,
        *,
        device: str,
        precision: str = "auto",
        acceleration: str = "plain",
        memory: str = "auto",
        events: EventReceiver,
        model_info: ModelInfoCache,
        features: BlobStore,
    ) -> None:
        self._device = device
        self._precision = precision
        self._acceleration = acceleration
        self._memory = memory
        self._events = events
        self._model_info = model_info
        self._features = features
        self._engine: Engine | None = None
        self._loaded: tuple[str, str] | None = None

    def engine_for(
        self, model_id: str, *, precision: str = "auto", on_load: Callable[[], object] = lambda: None
    ) -> Engine:
        """Calls `on_load` before a model is loaded. Raises ModelError, OutOfMemoryError."""
        precision = self._settle(precision)
        if self._engine is not None and self._loaded == (model_id, precision):
            return self._engine
        on_load()
        self.close()
        from selva_core.engines.registry import load_engine  # noqa: PLC0415 - heavy, and its cost is a job's

        engine = load_engine(
            model_id,
            device=self._device,
            precision=precision,
            acceleration=self._acceleration,
            memory=self._memory,
            features=self._features,
        )
        self._engine, self._loaded = engine, (model_id, precision)
        self._model_info.put(ModelInfo.of(engine), precision=precision)
        self._events.send(
            ModelLoaded(
                model=model_id,
                device_report=engine.device_report,
                notices=engine.notices,
                max_batch_pictures=engine.max_batch_pictures,
            )
        )
        return engine

    def info_of(
        self, model_id: str, *, precision: str = "auto", on_load: Callable[[], object] = lambda: None
    ) -> ModelInfo:
        """Remembered, or read off the engine, which is then loaded. Raises ModelError."""
        precision = self._settle(precision)
        known = self._model_info.get(model_id, precision=precision)
        return known or ModelInfo.of(self.engine_for(model_id, precision=precision, on_load=on_load))

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = self._loaded = None

    def _settle(self, precision: str) -> str:
        return self._precision if precision == "auto" else precision
