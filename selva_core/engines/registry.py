"""From a model's name to an engine that is ready to render.

Nothing heavy is imported before an engine is loaded: the echo engine needs av, the network torch.
"""

from __future__ import annotations

import os
from importlib import import_module

from selva_core.engine import Engine, FeatureStore
from selva_core.models.catalog import find_model


def load_engine(model_id: str, *, device: str = "auto", features: FeatureStore | None = None) -> Engine:
    """Load the engine of `model_id` onto `device` ("auto", "cpu", "cuda", "cuda:1", "mps").

    features: a store for encoded video, which the engine reads and fills; None for no store.

    Raises UnknownModelError, WeightsMissingError, WeightsMismatchError, DeviceUnavailableError, RequestError.
    """
    engine: Engine
    if find_model(model_id).spec is None:
        engine = import_module("selva_core.engines.echo").EchoEngine.from_environment(os.environ)
    else:
        engine = import_module("selva_core.engines.loading").load_network_engine(
            model_id, device=device, features=features
        )
    return engine
