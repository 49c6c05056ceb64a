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
    model_id: str,
    *,
    device: str = "auto",
    precision: str = "auto",
    acceleration: str = "plain",
    memory: str = "auto",
    features: FeatureStore | None = None,
) -> Engine:
    """Load the engine of `model_id` onto `device` ("auto", "cpu", "cuda", "cuda:1", "mps").

    precision: of the network's large parts, one of `selva_core.base.render_options.PRECISIONS`.
    acceleration: how it runs on a CUDA device, one of `selva_core.inference.acceleration.ACCELERATIONS`; other devices run plain.
    memory: which parts stay on the device, one of `selva_core.models.memory_needs.MEMORY_MODES`; results do not depend on it.
    features: a store for encoded video, which the engine reads and fills; None for no store.

    Raises UnknownModelError, WeightsMissingError, WeightsMismatchError, DeviceUnavailableError,
    InstallationBrokenError, RequestError, OutOfMemoryError.
    """
    engine: Engine
    if find_model(model_id).spec is None:
        engine = import_loader("selva_core.engines.echo").EchoEngine.from_environment(os.environ)
    else:
        bound_spinning()
        engine = import_loader("selva_core.engines.loading").load_network_engine(
            model_id,
            device=device,
            precision=precision,
            acceleration=acceleration,
            memory=memory,
            features=features,
        )
    return engine


def describe_broken_installation(exc: Exception) -> InstallationBrokenError:
    """The error for a library that does not load, with the command that mends it."""
    reason = str(exc).partition("\n")[0] or type(exc).__name__
    return InstallationBrokenError(
        f"the libraries that models run on cannot be loaded ({reason}). Install Selva Bridge again: "
        f"{reinstall_command()}"
    )


def import_loader(name: str) -> ModuleType:
    """A module that loads engines. Raises InstallationBrokenError.

    Libraries that do not fit each other raise anything: OSError for a shared library, RuntimeError for an operator that is
    not there, AttributeError for a name that another version had.
    """
    try:
        return import_module(name)
    except Exception as exc:
        raise describe_broken_installation(exc) from exc
