"""Our text towers against those of the transformers library, which the published weights were used with."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from selva_core.network.text_towers import ClipTextEncoder, T5TextEncoder
from selva_core.specs import ClipTextSpec, T5Spec

T5 = T5Spec(vocab_size=100, width=32, depth=3, num_heads=4, head_width=8, mlp_width=64)
CLIP = ClipTextSpec(vocab_size=100, width=64, depth=3, num_heads=4, mlp_width=128, num_tokens=20)


@torch.inference_mode()
def test_t5_gives_the_states_of_the_library_also_for_padded_and_long_texts() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.T5Config(
        vocab_size=T5.vocab_size,
        d_model=T5.width,
        d_kv=T5.head_width,
        d_ff=T5.mlp_width,
        num_layers=T5.depth,
        num_heads=T5.num_heads,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
    )
    torch.manual_seed(0)
    theirs, ours = transformers.T5EncoderModel(config).eval(), T5TextEncoder(T5).eval()
    ours.model.load_state_dict(theirs.state_dict())
    token_ids, mask = torch.randint(0, 100, (3, 200)), torch.ones(3, 200, dtype=torch.long)
    mask[1, 5:], mask[2, 150:] = 0, 0
    expected = theirs(input_ids=token_ids, attention_mask=mask).last_hidden_state
    assert torch.allclose(ours(token_ids, mask), expected, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_clip_gives_the_states_of_the_library() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.CLIPTextConfig(
        vocab_size=CLIP.vocab_size,
        hidden_size=CLIP.width,
        intermediate_size=CLIP.mlp_width,
        num_hidden_layers=CLIP.depth,
        num_attention_heads=CLIP.num_heads,
        max_position_embeddings=CLIP.num_tokens,
        hidden_act="quick_gelu",
        bos_token_id=98,
        eos_token_id=99,
    )
    torch.manual_seed(0)
    theirs, ours = transformers.CLIPTextModel(config).eval(), ClipTextEncoder(CLIP).eval()
    ours.model.load_state_dict(getattr(theirs, "text_model", theirs).state_dict())
    token_ids = torch.randint(0, 100, (3, CLIP.num_tokens))
    states = theirs(input_ids=token_ids).last_hidden_state
    expected = torch.nn.functional.normalize(states, dim=-1)
    assert torch.allclose(ours(token_ids), expected, rtol=0, atol=1e-6)


def test_a_model_is_loaded_without_that_library() -> None:
    code = "import sys, selva_core.model_loading; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
