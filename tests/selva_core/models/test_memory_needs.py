"""What a model needs of a device's memory, estimated from its row."""

from __future__ import annotations

import re

import pytest
import torch

from selva_core.models.catalog import MODELS, find_model
from selva_core.models.memory_needs import MemoryNeeds, estimate_needs, token_bytes_per_s
from selva_core.network.parts import PARTS, _WithoutRandomNumbers, build_part

WITH_NETWORK = [model_id for model_id, model in MODELS.items() if model.spec is not None]
PUBLISHED = [model_id for model_id in WITH_NETWORK if not MODELS[model_id].is_bundled]


def needs_of(model_id: str, *, has_bfloat16: bool = False) -> MemoryNeeds:
    return estimate_needs(find_model(model_id), has_bfloat16=has_bfloat16)


def count_weights(model_id: str, part: str, *, has_bfloat16: bool) -> int:
    spec = find_model(model_id).spec
    assert spec is not None
    with torch.device("meta"), _WithoutRandomNumbers():
        module = build_part(part, spec, for_training=False)
    tensors = [*module.named_parameters(), *module.named_buffers()]
    reduced = re.compile(PARTS[part].reduced)
    return sum(
        tensor.numel() * (2 if has_bfloat16 and reduced.fullmatch(key) else 4) for key, tensor in tensors
    )


@pytest.mark.parametrize("model_id", WITH_NETWORK)
@pytest.mark.parametrize("has_bfloat16", [False, True])
def test_weights_of_each_part_are_those_of_the_network(model_id: str, has_bfloat16: bool) -> None:
    found = needs_of(model_id, has_bfloat16=has_bfloat16).stages
    for part, stage in zip(
        ("t5", "clip_text", "video_encoder", "generator", "vae", "vocoder"), found, strict=True
    ):
        counted = count_weights(model_id, part, has_bfloat16=has_bfloat16)
        # The nano generator is narrow: less of it are wide products, which matters for a few megabytes.
        assert 0.97 * counted < stage.weights_bytes < 1.06 * counted or model_id == "selva-nano"


def test_smallest_fits_into_4_gb_and_largest_into_8_gb_of_a_card() -> None:
    for has_bfloat16 in (False, True):
        assert needs_of("selva-small-16k", has_bfloat16=has_bfloat16).low_bytes < 4e9
        assert needs_of("selva-large-44k", has_bfloat16=has_bfloat16).low_bytes < 8e9
    assert needs_of("selva-small-16k").normal_bytes > 4e9
    assert needs_of("selva-large-44k").normal_bytes > 8e9


@pytest.mark.parametrize("model_id", WITH_NETWORK)
def test_low_needs_less_and_bfloat16_does_too(model_id: str) -> None:
    full, half = needs_of(model_id), needs_of(model_id, has_bfloat16=True)
    assert half.low_bytes <= full.low_bytes < full.normal_bytes
    assert half.normal_bytes < full.normal_bytes
    assert full.widest_stage in full.stages


def test_engine_without_a_network_needs_none() -> None:
    with pytest.raises(ValueError, match="no network"):
        estimate_needs(find_model("selva-echo"), has_bfloat16=False)


def test_tokens_of_a_second_take_15_mb_in_float32_and_half_in_bfloat16() -> None:
    spec = find_model("selva-small-16k").spec
    assert spec is not None
    assert token_bytes_per_s(spec, has_bfloat16=False) == pytest.approx(15.05e6, rel=0.01)
    assert token_bytes_per_s(spec, has_bfloat16=True) == pytest.approx(7.53e6, rel=0.01)
