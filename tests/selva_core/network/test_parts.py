"""Published files load strictly by their own names; the inventories are those of the files themselves."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from selva_core.base.errors import WeightsMismatchError
from selva_core.models.part_specs import GeneratorSpec
from selva_core.models.specs import (
    GENERATOR_LARGE_44K,
    GENERATOR_MEDIUM_44K,
    GENERATOR_SMALL_16K,
    GENERATOR_SMALL_44K,
    ModelSpec,
    build_published_spec,
)
from selva_core.network import Generator, Vae
from selva_core.network.parts import PARTS, load_part, published_tensors
from selva_core.network.vocoder import build_low_pass

INVENTORIES = Path(__file__).parents[2] / "data" / "parity" / "checkpoints"
SPEC_16K = build_published_spec(GENERATOR_SMALL_16K)
SPEC_44K = build_published_spec(GENERATOR_SMALL_44K)

PUBLISHED = [
    ("clip_text", "open_clip_pytorch_model", SPEC_16K),
    ("t5", "flan-t5-base", SPEC_16K),
    ("video_encoder", "video_enc_sup_5", SPEC_16K),
    ("generator", "generator_small_16k_sup_5", SPEC_16K),
    ("generator", "mmaudio_small_44k", SPEC_44K),
    ("generator", "small_44k_v2", SPEC_44K),
    ("vae", "v1-16", SPEC_16K),
    ("vae", "v1-44", SPEC_44K),
    ("vocoder", "best_netG", SPEC_16K),
    ("vocoder", "bigvgan_generator", SPEC_44K),
]
every_published_file = pytest.mark.parametrize(("part", "inventory", "spec"), PUBLISHED)

# In the files and in no part that runs: the second name of T5's table is loaded through the first.
NOT_LOADED = (
    r"text_projection|logit_scale|vfeat_extractor\.patch_embed\.proj\..*|empty_string_feat|shared\.weight"
)


def tensors_of(inventory: str) -> dict[str, Tensor]:
    """Empty tensors of every name and shape in a published file; fixed taps have their values."""
    with (INVENTORIES / f"{inventory}.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    shapes = {
        row["key"]: () if row["shape"] == "scalar" else tuple(map(int, row["shape"].split("x")))
        for row in rows
    }
    return {
        key: build_low_pass() if key.endswith(".filter") else torch.empty(shape, device="meta")
        for key, shape in shapes.items()
    }


@every_published_file
def test_published_file_loads_strictly_by_its_own_names(part: str, inventory: str, spec: ModelSpec) -> None:
    tensors = tensors_of(inventory)
    module = load_part(part, spec, tensors, source=inventory, for_training=True)
    loaded = published_tensors(part, module)
    not_loaded = tensors.keys() - loaded.keys()
    assert loaded.keys() <= tensors.keys()
    assert all(part != "generator" and re.fullmatch(NOT_LOADED, key) for key in not_loaded)
    assert all(loaded[key].shape == tensors[key].shape for key in loaded)


@every_published_file
def test_a_key_that_is_missing_is_named(part: str, inventory: str, spec: ModelSpec) -> None:
    tensors = tensors_of(inventory)
    lost = next(key for key in reversed(tensors) if not key.startswith(("encoder.", "logit")))
    if part == "t5":
        lost = "encoder.final_layer_norm.weight"
    del tensors[lost]
    with pytest.raises(WeightsMismatchError, match=f"missing {re.escape(lost)}"):
        load_part(part, spec, tensors, source=inventory)


@every_published_file
def test_an_unexpected_key_is_named(part: str, inventory: str, spec: ModelSpec) -> None:
    tensors = tensors_of(inventory) | {"stranger.weight": torch.empty(3, device="meta")}
    with pytest.raises(WeightsMismatchError, match=r"left over stranger\.weight"):
        load_part(part, spec, tensors, source=inventory)


@every_published_file
def test_a_wrong_shape_is_named_with_both_shapes(part: str, inventory: str, spec: ModelSpec) -> None:
    tensors = tensors_of(inventory)
    key = next(
        k for k, t in tensors.items() if t.ndim > 1 and not re.fullmatch(rf"{NOT_LOADED}|encoder\.conv.*", k)
    )
    shape = tuple(tensors[key].shape)
    tensors[key] = torch.empty((*shape, 2), device="meta")
    wanted = re.escape(f"wrong shape {key} {(*shape, 2)} instead of {shape}")
    with pytest.raises(WeightsMismatchError, match=wanted):
        load_part(part, spec, tensors, source=inventory)


def test_the_layout_of_a_generator_is_recognised_by_its_keys() -> None:
    layouts = {}
    for inventory in ("mmaudio_small_44k", "small_44k_v2"):
        generator = load_part("generator", SPEC_44K, tensors_of(inventory), source=inventory)
        assert isinstance(generator, Generator)
        layouts[inventory] = generator.spec.is_v2
    assert layouts == {"mmaudio_small_44k": False, "small_44k_v2": True}


@pytest.mark.parametrize("layout", ["mmaudio_small_44k", "small_44k_v2"])
@pytest.mark.parametrize(
    ("generator", "size_bytes"), [(GENERATOR_MEDIUM_44K, 2.49e9), (GENERATOR_LARGE_44K, 4.12e9)]
)
def test_larger_generators_are_the_small_one_widened_and_deepened(
    generator: GeneratorSpec, size_bytes: float, layout: str
) -> None:
    tensors = widened(tensors_of(layout), generator)
    module = load_part("generator", build_published_spec(generator), tensors, source="made by arithmetic")
    assert published_tensors("generator", module).keys() == tensors.keys()
    assert 4 * sum(t.numel() for t in tensors.values()) == pytest.approx(size_bytes, rel=0.01)


def widened(small: dict[str, Tensor], generator: GeneratorSpec) -> dict[str, Tensor]:
    """A small generator's inventory at twice the width; blocks repeat the first, the last joint one stays last."""
    sizes = {448: 896, 896: 1792, 1280: 2560, 1344: 2688, 2688: 5376}
    wide: dict[str, Tensor] = {}
    for key, tensor in small.items():
        shape = tuple(sizes.get(size, size) for size in tensor.shape)
        names = [key]
        if key.startswith(("joint_blocks.0.", "fused_blocks.0.")):
            kind, _, rest = key.split(".", 2)
            depth = generator.joint_depth - 1 if kind == "joint_blocks" else generator.fused_depth
            names = [f"{kind}.{i}.{rest}" for i in range(depth)]
        elif key.startswith("joint_blocks.3."):
            names = [key.replace(".3.", f".{generator.joint_depth - 1}.", 1)]
        elif key.startswith(("joint_blocks", "fused_blocks")):
            names = []
        wide |= {name: torch.empty(shape, device="meta") for name in names}
    return wide


def test_rendering_loads_without_the_half_that_only_training_needs() -> None:
    for for_training in (False, True):
        vae = load_part("vae", SPEC_16K, tensors_of("v1-16"), source="v1-16", for_training=for_training)
        assert isinstance(vae, Vae)
        assert (vae.encoder is not None) is for_training


def test_a_decoder_is_enough_for_rendering_and_too_little_for_training() -> None:
    tensors = {k: t for k, t in tensors_of("v1-16").items() if not k.startswith("encoder.")}
    load_part("vae", SPEC_16K, tensors, source="v1-16")
    with pytest.raises(WeightsMismatchError, match=r"missing encoder\."):
        load_part("vae", SPEC_16K, tensors, source="v1-16", for_training=True)


def test_unused_halves_of_the_same_files_are_ignored() -> None:
    clip = tensors_of("open_clip_pytorch_model") | {"visual.proj": torch.empty(2, 2, device="meta")}
    load_part("clip_text", SPEC_16K, clip, source="clip")
    t5 = tensors_of("flan-t5-base") | {"decoder.final_layer_norm.weight": torch.empty(768, device="meta")}
    load_part("t5", SPEC_16K, t5, source="t5")


@pytest.mark.parametrize("name", ["shared.weight", "encoder.embed_tokens.weight"])
def test_either_name_of_the_t5_table_is_enough(name: str) -> None:
    tensors = tensors_of("flan-t5-base")
    del tensors[name]
    load_part("t5", SPEC_16K, tensors, source="t5")
    tensors = {k: t for k, t in tensors.items() if "shared" not in k and "embed_tokens" not in k}
    with pytest.raises(WeightsMismatchError, match=r"missing encoder\.embed_tokens\.weight"):
        load_part("t5", SPEC_16K, tensors, source="t5")


def test_a_vocoder_with_other_fixed_taps_is_refused() -> None:
    tensors = tensors_of("best_netG")
    tensors["activation_post.upsample.filter"] = build_low_pass() * 1.01
    with pytest.raises(
        WeightsMismatchError, match=r"activation_post\.upsample\.filter .* is not the low pass"
    ):
        load_part("vocoder", SPEC_16K, tensors, source="best_netG.pt")


def test_every_part_has_an_inventory() -> None:
    assert {part for part, _, _ in PUBLISHED} == set(PARTS)
