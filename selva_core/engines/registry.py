"""From a model's name to an engine that is ready to render.

Nothing heavy is imported before an engine is loaded: the echo engine needs av, the network torch.
"""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType

from selva_core.base.command_line import reinstall_command
from selva_core.base.errors import InstallationBrokenError
from selva_core.base.openmp import bound_spinning
from selva_core.engine import Engine, FeatureStore
from selva_core.models.catalog import find_model


def load_engine(
    model_id: str, *, device: str = "auto", precision: str = "auto", features: FeatureStore | None = None
) -> Engine:
    """Load the engine of `model_id` onto `device` ("auto", "cpu", "cuda", "cuda:1", "mps").

    precision: of the network's large parts, one of `selva_core.base.render_options.PRECISIONS`.
    features: a store for encoded video, which the engine reads and fills; None for no store.

    Raises UnknownModelError, WeightsMissingError, WeightsMismatchError, DeviceUnavailableError,
    InstallationBrokenError, RequestError.
    """
    engine: Engine
    if find_model(model_id).spec is None:
        engine = import_module("selva_core.engines.echo").EchoEngine.from_environment(os.environ)
    else:
        bound_spinning()
        engine = _import_network_loader().load_network_engine(
            model_id, device=device, precision=precision, features=features
        )
    return engine


def _import_network_loader() -> ModuleType:
    """The module that loads networks."""
    try:
        return import_module("selva_core.engines.loading")
    except (ImportError, OSError) as exc:  # OSError: a shared library that does not fit
        reason = str(exc).partition("\n")[0]
        raise InstallationBrokenError(
            f"the libraries that models run on cannot be loaded ({reason}). Install Selva Bridge again: "
            f"{reinstall_command()}"
        ) from exc
