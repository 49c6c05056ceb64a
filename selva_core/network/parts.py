"""The parts of the network, and how the published file of each is read and written.

Every part has one file, with the names its authors published; loading is strict. A few keys of the published files belong
to code that is not used here; each part lists its own, and they are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from selva_core.base.errors import WeightsMismatchError
from selva_core.models.checkpoints import check_tensors
from selva_core.models.specs import ModelSpec
from selva_core.network._layers import StoredWeight
from selva_core.network.generator import Generator
from selva_core.network.text_towers import (
    ClipTextEncoder,
    T5TextEncoder,
    clip_from_openclip,
    clip_to_openclip,
)
from selva_core.network.vae import Vae
from selva_core.network.video_encoder import VideoEncoder
from selva_core.network.vocoder import LowPass, Vocoder, build_low_pass

_FILTER_TOLERANCE = 1e-3

# Names that two published layouts of the generator give to the same layer (see GeneratorSpec.is_v2).
_V1_KEY, _V2_KEY = "clip_input_proj.1.w1.weight", "clip_input_proj.2.w1.weight"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the network and how its file is read.

    build: makes the part from a model's spec; the second argument says whether it is for training. unused: regular
    expression of keys in published files that nothing here uses. only_training: of keys that only training needs. reduced:
    of weights that are cast to the precision the network is loaded in; all others stay in float32.
    """

    build: Callable[[ModelSpec, bool], nn.Module]
    unused: str = ""
    only_training: str = ""
    reduced: str = ""


# Unused keys: the video encoder's 2-D patches and empty text come from the code it was trained with; CLIP's image tower and
# T5's decoder are other halves of the same files.
PARTS: Mapping[str, Part] = {
    "clip_text": Part(
        build=lambda spec, _: ClipTextEncoder(spec.clip_text),
        unused=r"visual\..*|text_projection|logit_scale|logit_bias|attn_mask",
    ),
    "t5": Part(build=lambda spec, _: T5TextEncoder(spec.t5), unused=r"decoder\..*|lm_head\.weight"),
    "video_encoder": Part(
        build=lambda spec, _: VideoEncoder(spec.video_encoder),
        unused=r"vfeat_extractor\.patch_embed\.proj\.(weight|bias)|empty_string_feat",
        reduced=r".*",
    ),
    "generator": Part(
        build=lambda spec, _: Generator(spec.generator),
        reduced=r"(joint|fused)_blocks\..*\.(attn\.qkv|linear1|ffn)\..*",
    ),
    "vae": Part(
        build=lambda spec, for_training: Vae(spec.vae, has_encoder=for_training), only_training=r"encoder\..*"
    ),
    "vocoder": Part(build=lambda spec, _: Vocoder(spec.vocoder)),
}


def build_part(name: str, spec: ModelSpec, *, for_training: bool) -> nn.Module:
    """The part of that name in PARTS with random weights, with or without what only training needs."""
    return PARTS[name].build(spec, for_training)


def published_tensors(name: str, module: nn.Module) -> dict[str, Tensor]:
    """The weights of one part under their published names, as views where possible."""
    tensors = _core(module).state_dict()
    if name == "clip_text":
        return clip_to_openclip(tensors)
    return dict(tensors)


def save_part(name: str, module: nn.Module, path: Path) -> None:
    """Write one part as safetensors under its published names.

    Raises ValueError for a baked part, whose stored weights have been dropped.
    """
    if any(isinstance(layer, StoredWeight) and layer.baked_weight is not None for layer in module.modules()):
        raise ValueError(f"a baked {name} cannot be saved; load it with for_training=True and save that")
    save_file({key: t.contiguous() for key, t in published_tensors(name, module).items()}, path)


def load_part(
    name: str,
    spec: ModelSpec,
    tensors: Mapping[str, Tensor],
    *,
    source: str,
    for_training: bool = False,
) -> nn.Module:
    """One part filled with the tensors of a file, on their device; float32 or what the file has.

    source: name of the file in messages. Raises WeightsMismatchError that names the keys and shapes that do not fit.
    """
    if name == "generator":
        spec = _with_layout_of(tensors, spec)
    with torch.device("meta"), _WithoutRandomNumbers():
        module = build_part(name, spec, for_training=for_training)
    tensors = _without_unused(name, tensors, for_training=for_training)
    check_tensors(published_tensors(name, module), tensors, source=source)
    core = _core(module)
    if name == "clip_text":
        tensors = clip_from_openclip(tensors)
    core.load_state_dict(dict(tensors), strict=True, assign=True)
    _complete_loading(module, source)
    return module.requires_grad_(for_training).train(for_training)


class _WithoutRandomNumbers(TorchFunctionMode):
    """Draws no numbers in torch's own layers for weights that are read from a file; `draw_normal` says why."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def place_part(name: str, module: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Move a part to a device and cast the weights that may run in `dtype`; everything else is float32."""
    reduced = re.compile(PARTS[name].reduced)
    for path, layer in module.named_modules():
        for key, parameter in list(layer.named_parameters(recurse=False)):
            full_key = f"{path}.{key}" if path else key
            placed = parameter.detach().to(device, dtype if reduced.fullmatch(full_key) else torch.float32)
            setattr(layer, key, nn.Parameter(placed, requires_grad=parameter.requires_grad))
        for key, buffer in list(layer.named_buffers(recurse=False)):
            setattr(
                layer, key, buffer.to(device, torch.float32 if buffer.is_floating_point() else buffer.dtype)
            )


def _core(module: nn.Module) -> nn.Module:
    """The module with the key names of the file."""
    return module.core if isinstance(module, ClipTextEncoder) else module


def _without_unused(name: str, tensors: Mapping[str, Tensor], *, for_training: bool) -> dict[str, Tensor]:
    """The tensors that are loaded; T5's table under the encoder's name, whichever the file has."""
    part = PARTS[name]
    patterns = (part.unused, "" if for_training else part.only_training)
    used = {
        key: tensor for key, tensor in tensors.items() if not any(re.fullmatch(p, key) for p in patterns if p)
    }
    if name == "t5" and "shared.weight" in used:
        table = used.pop("shared.weight")
        used.setdefault("encoder.embed_tokens.weight", table)
    return used


def _with_layout_of(tensors: Mapping[str, Tensor], spec: ModelSpec) -> ModelSpec:
    """The spec with the layout of the generator's file, which its key names show."""
    has_v1, has_v2 = _V1_KEY in tensors, _V2_KEY in tensors
    if has_v1 == has_v2:
        return spec
    return replace(spec, generator=replace(spec.generator, is_v2=has_v2))


def _complete_loading(module: nn.Module, source: str) -> None:
    """Fill in what files hold rounded: the exact filter taps of the vocoder."""
    if isinstance(module, Vocoder):
        _restore_taps(module, source)


def _restore_taps(vocoder: Vocoder, source: str) -> None:
    """Check every copy of the fixed filter taps, which files may hold rounded, and replace it by the exact ones."""
    taps = build_low_pass()
    for key, layer in vocoder.named_modules():
        if not isinstance(layer, LowPass):
            continue
        if not torch.allclose(layer.filter.float().cpu(), taps, atol=_FILTER_TOLERANCE):
            raise WeightsMismatchError(
                f"{key}.filter in {source} is not the low pass of BigVGAN's activations",
                source=source,
                key=key,
            )
        layer.filter = taps.to(layer.filter.device, copy=True)
