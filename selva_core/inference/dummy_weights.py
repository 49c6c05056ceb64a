"""Dummy weights for a network that is not trained yet, each a pure function of its name and shape.

They make noise, but everything from video to stem can be run and measured with them. Only models that come with this
package may run on them; for published models missing weights are an error.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from selva_core.inference.tokenizer import PromptTokenizer, Vocabulary
from selva_core.models.specs import ModelSpec
from selva_core.network import Network, build_network
from selva_core.network.parts import place_part

NOTICE = "This model is not trained yet: its weights are dummies, and what it makes is noise."
DUMMY_SHA256 = hashlib.sha256(b"selva stand-in weights 1").hexdigest()

_BEGIN_ID, _END_ID, _FIRST_WORD_ID = 3, 1, 4
_QUIET = 0.05  # keeps the last layer of the vocoder far from full scale


def build_dummy_weights(
    spec: ModelSpec, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Network:
    """A network filled with dummy weights; fixed tables keep their values."""
    network = build_network(spec, for_training=False)
    for part_name, part in network.parts().items():
        for name, tensor in part.state_dict().items():
            if tensor.is_floating_point() and not name.endswith(".filter"):
                tensor.copy_(dummy_tensor(f"{part_name}.{name}", tuple(tensor.shape)))
        place_part(part_name, part, torch.device(device), dtype)
    return replace(network, device=torch.device(device), dtype=dtype)


def dummy_tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    """Float32 of `shape`: kernels scaled by their fan-in, gains and spreads around 1, everything else near 0."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    random = torch.from_numpy(np.asarray(rng.standard_normal(shape, dtype=np.float32)))
    leaf = name.rpartition(".")[2]
    if leaf == "weight_g":
        return (1.0 + 0.1 * random.abs()) * (_QUIET if "conv_post" in name else 1.0)
    if leaf in ("latent_std", "data_std") or (leaf == "weight" and len(shape) == 1):
        return 1.0 + 0.1 * random.abs()
    if len(shape) >= 2:
        return random / math.sqrt(math.prod(shape[1:]))
    return 0.02 * random


def build_dummy_tokenizer(spec: ModelSpec) -> PromptTokenizer:
    """A tokenizer that makes every word one token, with an id from the checksum of its letters."""
    num_words = min(spec.t5.vocab_size, spec.clip_text.vocab_size) - _FIRST_WORD_ID

    def encode(text: str) -> list[int]:
        return [_FIRST_WORD_ID + zlib.crc32(word.encode()) % num_words for word in text.lower().split()]

    vocabulary = Vocabulary(encode=encode, begin_id=_BEGIN_ID, end_id=_END_ID)
    return PromptTokenizer(spec, t5=vocabulary, clip=vocabulary)
