"""From a model's name to an engine that is ready to render.

Nothing heavy is imported until an engine is asked for: the echo engine needs the media library, the network
torch.
"""

from __future__ import annotations

import os
from importlib import import_module

from selva_core.engine import Engine, FeatureStore
from selva_core.models.catalog import find_model


def load_engine(model_id: str, *, device: str = "auto", features: FeatureStore | None = None) -> Engine:
    """Load the engine of `model_id` onto `device` ("auto", "cpu", "cuda", "cuda:1", "mps").

    features: where the engine may keep what it makes of pictures.

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
