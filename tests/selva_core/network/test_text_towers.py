"""The text towers are those of transformers, which they replace because importing it takes longer than a stem."""

from __future__ import annotations

import subprocess
import sys

import torch
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel
from transformers.models.t5.configuration_t5 import T5Config
from transformers.models.t5.modeling_t5 import T5EncoderModel

from selva_core.models.part_specs import ClipTextSpec, T5Spec
from selva_core.network.text_towers import ClipTextEncoder, T5TextEncoder, distance_buckets

T5 = T5Spec(vocab_size=50, width=24, depth=2, num_heads=3, head_width=8, mlp_width=40, max_distance=20)
CLIP = ClipTextSpec(vocab_size=50, width=24, depth=2, num_heads=3, mlp_width=40, num_tokens=7)


def test_t5_gives_the_states_that_transformers_gives() -> None:
    torch.manual_seed(1)
    theirs = T5EncoderModel(
        T5Config(
            vocab_size=50,
            d_model=24,
            d_kv=8,
            d_ff=40,
            num_layers=2,
            num_heads=3,
            relative_attention_max_distance=20,
            feed_forward_proj="gated-gelu",
        )
    ).eval()
    ours = T5TextEncoder(T5)
    ours.load_state_dict({key: value for key, value in theirs.state_dict().items() if key != "shared.weight"})
    token_ids = torch.randint(0, 50, (2, 40))  # longer than the distances that have a bucket each
    mask = torch.ones(2, 40, dtype=torch.long)
    mask[1, 9:] = 0
    with torch.inference_mode():
        expected = theirs(input_ids=token_ids, attention_mask=mask).last_hidden_state
        got = ours(token_ids, mask)
    torch.testing.assert_close(got[0], expected[0])
    torch.testing.assert_close(got[1, :9], expected[1, :9])


def test_clip_gives_the_states_that_transformers_gives() -> None:
    torch.manual_seed(2)
    theirs = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=50,
            hidden_size=24,
            intermediate_size=40,
            num_hidden_layers=2,
            num_attention_heads=3,
            max_position_embeddings=7,
            hidden_act="quick_gelu",
            layer_norm_eps=1e-5,
            eos_token_id=49,
        )
    ).eval()
    core = getattr(theirs, "text_model", theirs)  # before transformers 5 it is one level deeper
    ours = ClipTextEncoder(CLIP)
    ours.core.load_state_dict(core.state_dict(), strict=False)
    assert set(ours.core.state_dict()) <= set(core.state_dict())
    token_ids = torch.randint(0, 50, (2, 7))
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(theirs(input_ids=token_ids).last_hidden_state, dim=-1)
        torch.testing.assert_close(ours(token_ids), expected)


def test_distances_have_a_bucket_each_then_one_for_each_octave() -> None:
    distance = torch.tensor([-200, -9, -7, -1, 0, 1, 7, 8, 64, 200])
    buckets = distance_buckets(distance, num_buckets=32, max_distance=128)
    assert buckets.tolist() == [15, 8, 7, 1, 0, 17, 23, 24, 30, 31]


def test_loading_a_model_imports_nothing_that_rendering_does_not_use() -> None:
    code = (
        "import sys; from selva_core.engines import load_engine; load_engine('selva-nano', device='cpu');"
        "print(sorted({'transformers', 'torch._dynamo', 'scipy', 'sympy', 'torch.distributed.tensor'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
