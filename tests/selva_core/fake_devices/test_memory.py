"""How much of a card's memory sampling takes, counted on tensors without values, against what is estimated before loading."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from selva_core.models.catalog import find_model
from selva_core.models.memory_needs import CONTEXT_BYTES, estimate_needs
from selva_core.network import join_conditions
from tests.support.fake_cuda import DEVICE, CountedMemory, FakeCard, load_resident

pytestmark = pytest.mark.xdist_group("fake card")  # torch learns the shapes of each operation once


@pytest.mark.parametrize(
    ("model_id", "card_bytes", "num_windows"),
    [
        ("selva-small-16k", 4_000_000_000, 1),
        ("selva-small-44k", 4_000_000_000, 1),
        ("selva-medium-44k", 6_000_000_000, 3),
        ("selva-large-44k", 8_000_000_000, 1),
    ],
)
def test_guided_windows_stay_within_their_estimate_and_leave_nothing_on_the_card(
    card: FakeCard, model_id: str, card_bytes: int, num_windows: int
) -> None:
    """8 s each in float32, sampled together; of the large model it is the stage that needs most."""
    model = find_model(model_id)
    spec = model.spec
    assert spec is not None
    lengths = spec.lengths(spec.window_s)
    with CountedMemory(card_bytes - CONTEXT_BYTES) as memory, torch.inference_mode():
        part = load_resident("generator", spec, torch.float32)
        assert memory.live_bytes == 0
        part.acquire()
        generator: Any = part.module
        text = torch.zeros(
            num_windows, spec.generator.num_text_tokens, spec.generator.text_width, device=DEVICE
        )
        sync = torch.zeros(num_windows, lengths.num_sync, spec.generator.sync_width, device=DEVICE)
        conditions = generator.prepare_conditions(
            text=text,
            sync=sync,
            num_clip_frames=lengths.num_clip_frames,
            num_latents=lengths.num_latents,
        )
        both = join_conditions([conditions, conditions])
        x = torch.zeros(2 * num_windows, lengths.num_latents, spec.generator.latent_channels, device=DEVICE)
        generator.flow(x, torch.full((), 0.5, device=DEVICE), both)
        stage = estimate_needs(model, has_bfloat16=False).stages[3]
        assert stage.stage == "sampling"
        most_bytes = stage.weights_bytes + num_windows * stage.working_bytes
        assert 0.9 * stage.weights_bytes < memory.peak_bytes <= most_bytes
        part.release()
        del conditions, both, text, sync, x
        assert memory.live_bytes == 0


def test_card_that_is_too_small_for_a_part_says_so(card: FakeCard) -> None:
    spec = find_model("selva-small-16k").spec
    assert spec is not None
    with CountedMemory(100_000_000), pytest.raises(torch.OutOfMemoryError):
        load_resident("generator", spec, torch.float32).acquire()
