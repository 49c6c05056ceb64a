"""From a row of the model table to an engine on a device: find the weights, hash them, load them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from selva_core.base.command_line import selva_command
from selva_core.base.errors import WeightsMissingError
from selva_core.engine import FeatureStore
from selva_core.engines.memory_choice import choose_memory
from selva_core.engines.network import WIDE_ENCODER, LoadedModel, NetworkEngine
from selva_core.inference.acceleration import PLAIN, accelerate
from selva_core.inference.batching import translate_out_of_memory
from selva_core.inference.device import DeviceChoice, choose_device
from selva_core.inference.dummy_weights import (
    DUMMY_SHA256,
    NOTICE,
    build_dummy_tokenizer,
    build_dummy_weights,
)
from selva_core.inference.lexicon import Lexicon, load_lexicon
from selva_core.inference.presence import PresenceModel, load_presence_model
from selva_core.inference.prompt_coverage import PromptCoverage, load_prompt_coverage
from selva_core.inference.tokenizer import load_tokenizer
from selva_core.models.catalog import (
    Model,
    default_models_dir,
    file_path,
    find_model,
    installed_files,
    missing_files,
)
from selva_core.models.file_hash import hash_files
from selva_core.models.memory_needs import AUTO
from selva_core.models.specs import ModelSpec
from selva_core.network import load_network


@translate_out_of_memory("this model")
def load_network_engine(
    model_id: str,
    *,
    device: str = "auto",
    precision: str = "auto",
    acceleration: str = PLAIN,
    memory: str = AUTO,
    models_dir: Path | None = None,
    features: FeatureStore | None = None,
) -> NetworkEngine:
    """Load a model with a network; one that comes with this package runs on dummy weights until it is trained.

    memory: one of `selva_core.models.memory_needs.MEMORY_MODES`.

    Raises UnknownModelError, WeightsMissingError, WeightsMismatchError, DeviceUnavailableError, RequestError,
    OutOfMemoryError.
    """
    model = find_model(model_id)
    if model.spec is None:
        raise WeightsMissingError(f"{model_id} has no network, and so no weights to load", model=model_id)
    device_choice = choose_device(
        device,
        precision=precision,
        # Narrow networks (selva-nano) spend their time outside matrix products, and would only lose precision.
        measures_processor=model.spec.video_encoder.width >= WIDE_ENCODER,
    )
    models_dir = models_dir or default_models_dir()
    files = installed_files(model, models_dir)
    if model.is_bundled and not files:
        return NetworkEngine(_load_dummy(model, model.spec, device_choice), features=features)
    _require_all_files(model, models_dir)
    residency = choose_memory(model, memory, device_choice)
    network = load_network(
        model.spec,
        files,
        device=device_choice.device,
        dtype=device_choice.dtype,
        on_demand=residency.on_demand,
    )
    reason = device_choice.reason + residency.reason
    if device_choice.device.type == "cuda":
        reason += accelerate(network, acceleration)
    return NetworkEngine(
        LoadedModel(
            model=model,
            network=network,
            tokenizer=load_tokenizer(model.spec, files),
            device_choice=replace(device_choice, reason=reason),
            weights_sha256=hash_files(files, sampling_mark=model.spec.sampling_mark),
            prompt_coverage=_load_coverage(model, model.spec, files, models_dir),
            presence=_load_presence(model, model.spec, models_dir, device_choice.device),
        ),
        features=features,
    )


def _load_coverage(
    model: Model, spec: ModelSpec, files: Mapping[str, Path], models_dir: Path
) -> PromptCoverage | None:
    if "known_prompts" not in files:
        return None
    return load_prompt_coverage(
        files["known_prompts"], text_width=spec.t5.width, lexicon=_load_lexicon(model, models_dir)
    )


def _load_lexicon(model: Model, models_dir: Path) -> Lexicon | None:
    if model.lexicon is None:
        return None
    path = file_path(model.lexicon, models_dir)
    return load_lexicon(path) if path.is_file() else None


def _load_presence(
    model: Model, spec: ModelSpec, models_dir: Path, device: torch.device
) -> PresenceModel | None:
    if model.presence is None:
        return None
    path = file_path(model.presence.file, models_dir)
    return load_presence_model(path, spec.video_encoder).to(device) if path.is_file() else None


def _load_dummy(model: Model, spec: ModelSpec, device_choice: DeviceChoice) -> LoadedModel:
    return LoadedModel(
        model=model,
        network=build_dummy_weights(spec, device=device_choice.device, dtype=device_choice.dtype),
        tokenizer=build_dummy_tokenizer(spec),
        device_choice=device_choice,
        weights_sha256=DUMMY_SHA256,
        notices=(NOTICE,),
    )


def _require_all_files(model: Model, models_dir: Path) -> None:
    missing = missing_files(model, models_dir)
    if not missing:
        return
    what_to_do = "install Selva Bridge again"
    if not model.is_bundled:
        size_gb = sum(file.size_bytes for file in missing.values()) / 1e9
        what_to_do = f"fetch them ({size_gb:.1f} GB) with: {selva_command('models', 'pull', model.model_id)}"
    raise WeightsMissingError(
        f"the weights of {model.model_id} are not all installed ({', '.join(sorted(missing))}); {what_to_do}",
        model=model.model_id,
        missing=sorted(missing),
    )
