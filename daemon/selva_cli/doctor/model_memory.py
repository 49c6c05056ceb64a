"""What the model that renders here would take of a device's memory, beside what is free."""

from __future__ import annotations

from dataclasses import dataclass

from selva_cli.doctor.finding import System
from selva_core.base.errors import ConfigurationError
from selva_core.base.settings import load_settings
from selva_core.models.catalog import MODELS, Model, default_models_dir, listed_models, missing_files
from selva_core.models.memory_needs import estimate_needs


@dataclass(frozen=True, kw_only=True)
class MemoryEstimate:
    """Bytes of memory by the values of the setting `memory`."""

    model_id: str
    normal_bytes: int
    low_bytes: int

    def describe(self) -> str:
        return f"{self.model_id} takes about {_gb(self.normal_bytes)} of it, or {_gb(self.low_bytes)} with the setting memory low"


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 10**8 else f"{size_bytes / 1e6:.0f} MB"


def estimate_model_memory(
    system: System, *, has_bfloat16: bool = False, on_cuda: bool = False
) -> MemoryEstimate | None:
    """Of the model of the settings, else of the largest installed one; None where it has no network, or settings that cannot be
    read, which another check reports.
    """
    try:
        model = _find_usual_model(system)
    except ConfigurationError:
        return None
    if model is None or model.spec is None:
        return None
    needs = estimate_needs(model, has_bfloat16=has_bfloat16, on_cuda=on_cuda)
    return MemoryEstimate(model_id=model.model_id, normal_bytes=needs.normal_bytes, low_bytes=needs.low_bytes)


def _find_usual_model(system: System) -> Model | None:
    settings = load_settings(system.paths.settings_file, environment=system.environment)
    if settings.model is not None:
        return MODELS.get(settings.model)
    folder = settings.models_dir or default_models_dir()
    candidates = [
        model for model in listed_models() if model.allows_commercial or not settings.only_commercial_models
    ]
    return next((model for model in reversed(candidates) if not missing_files(model, folder)), None)
