"""From a model's name to an engine that is ready to render.

Nothing heavy is imported until an engine is asked for: the echo engine needs the media library, the network
torch.
"""

from __future__ import annotations

import os
from importlib import import_module

from selva_core.engine import Engine
from selva_core.errors import UnknownModelError

ECHO_MODEL_ID = "selva-echo"


def load_engine(model_id: str, *, device: str = "auto") -> Engine:
    """Load the engine of `model_id` onto `device` ("auto", "cpu", "cuda", "cuda:1", "mps").

    Raises UnknownModelError, WeightsMissingError, WeightsMismatchError, DeviceUnavailableError.
    """
    if model_id != ECHO_MODEL_ID:
        raise UnknownModelError(f"no engine is called {model_id!r}; there is {ECHO_MODEL_ID}", model=model_id)
    engine: Engine = import_module("selva_core.echo").EchoEngine.from_environment(os.environ)
    return engine
