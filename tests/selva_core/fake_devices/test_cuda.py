"""The way through a CUDA card, for the published sizes: devices, precisions, waits, batches, cancel, full memory.

No card is needed, and none is proved: what these tests see is that no operation mixes devices, that nothing is read back but
what has to come back, and which parts run in which precision (docs/development/manual-checks.md has the rest).
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch

from selva_core.base.errors import OutOfMemoryError, RenderCancelled, SelvaError
from selva_core.base.media import PictureRange
from selva_core.engine import (
    BatchRequest,
    RedoneStretch,
    RenderProgress,
    SamplingSettings,
    StemRequest,
    Waveform,
)
from selva_core.engines.network import NetworkEngine
from selva_core.inference.acceleration import accelerate
from selva_core.inference.batching import BatchLimit
from selva_core.inference.presence import NUM_HIDDEN, PresenceModel
from selva_core.models.catalog import MODELS, find_model
from selva_core.models.nano_spec import NANO_SPEC
from selva_core.network import Generator
from selva_core.network.parts import PARTS
from tests.support.fake_cuda import DEVICE, FakeCard, FakeMemory, load_fake, some_file

PUBLISHED = [
    model_id for model_id, model in MODELS.items() if model.spec is not None and not model.is_bundled
]
SMALL = "selva-small-16k"
ONE_STEP = SamplingSettings(num_steps=1)
pytestmark = pytest.mark.xdist_group("fake card")  # torch learns the shapes of each operation once
DOG, BELL = StemRequest(prompt="dog"), StemRequest(prompt="bell", negative_prompt="music")


@pytest.fixture(scope="module")
def small(card: FakeCard) -> NetworkEngine:
    return load_fake(card, find_model(SMALL))


def picture_of(folder: Path, duration_s: int = 1) -> PictureRange:
    return PictureRange(path=some_file(folder), start_s=Fraction(0), duration_s=Fraction(duration_s))


def render(
    engine: NetworkEngine,
    picture: PictureRange,
    *requests: StemRequest,
    settings: SamplingSettings = ONE_STEP,
    on_progress: Callable[[RenderProgress], None] = lambda progress: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> list[Waveform]:
    return engine.render(
        picture, requests, settings=settings, on_progress=on_progress, is_cancelled=is_cancelled
    )


def recorded_flow(sizes: list[int]) -> Callable[..., torch.Tensor]:
    """The generator's flow, which adds the size of each batch to `sizes`."""
    flow = Generator.flow

    def recorded(generator: Generator, x: torch.Tensor, *args: Any) -> torch.Tensor:
        sizes.append(x.shape[0])
        return flow(generator, x, *args)

    return recorded


@pytest.mark.parametrize("model_id", PUBLISHED)
def test_each_size_renders_on_the_card(card: FakeCard, tmp_path: Path, model_id: str) -> None:
    engine = load_fake(card, find_model(model_id))
    network = engine._network
    tensors = [tensor for part in network.parts().values() for tensor in part.state_dict().values()]
    assert {tensor.device for tensor in tensors} == {DEVICE}
    [dog] = render(engine, picture_of(tmp_path), DOG)
    assert dog.samples.shape == (network.spec.sample_rate_hz,)
    assert dog.evidence is not None
    assert dog.evidence.rows * dog.evidence.columns == network.spec.video_encoder.num_patches


def test_encoder_and_wide_products_are_in_bfloat16_and_all_else_is_float32(small: NetworkEngine) -> None:
    network = small._network
    types = {name: {p.dtype for p in part.parameters()} for name, part in network.parts().items()}
    assert types["video_encoder"] == {torch.bfloat16}
    assert types["generator"] == {torch.bfloat16, torch.float32}
    assert types["t5"] == types["clip_text"] == types["vae"] == types["vocoder"] == {torch.float32}
    reduced = {name for name, p in network.generator.named_parameters() if p.dtype == torch.bfloat16}
    assert all("blocks" in name for name in reduced)


def test_float32_renders_as_well(card: FakeCard, tmp_path: Path) -> None:
    engine = load_fake(card, find_model(SMALL), precision="float32")
    assert {p.dtype for part in engine._network.parts().values() for p in part.parameters()} == {
        torch.float32
    }
    [stem] = render(engine, picture_of(tmp_path), DOG)
    assert stem.samples.shape == (16_000,)


def test_pictures_share_batches_and_nothing_but_evidence_and_sound_comes_back(
    card: FakeCard, small: NetworkEngine, tmp_path: Path
) -> None:
    """9 s are two windows: two pictures with one stem and two are six runs in each step, guided ones twice as many.

    The first run is measured alone, to learn what a run takes of the card's memory."""
    sizes: list[int] = []
    card.came_back.clear()
    requests = [
        BatchRequest(
            picture=picture_of(tmp_path, 9),
            requests=stems,
            on_progress=lambda progress: None,
            is_cancelled=lambda: False,
        )
        for stems in ((DOG,), (DOG, BELL))
    ]
    with mock.patch.object(Generator, "flow", recorded_flow(sizes)):
        outcomes = small.render_batch(requests, settings=SamplingSettings(num_steps=2))
    stems = [stem for outcome in outcomes if not isinstance(outcome, SelvaError) for stem in outcome]
    assert [len(stem.samples) for stem in stems] == [144_000] * 3
    assert sizes == [2, 10, 12]
    sounds = [shape for shape in card.came_back if len(shape) == 1 and shape[0] > 10_000]
    evidence = [shape for shape in card.came_back if shape not in sounds]
    assert sum(shape[0] for shape in sounds) >= 3 * 144_000
    spec = small._network.spec
    latents = (
        spec.generator.latent_channels,
    )  # kept with the stem, so that a stretch of it can be made anew
    assert {shape[1:] for shape in evidence} <= {(), (spec.video_encoder.num_patches,), latents}


def test_cancel_between_two_steps_ends_the_render(small: NetworkEngine, tmp_path: Path) -> None:
    seen: list[int | None] = []

    def is_cancelled() -> bool:
        return any(step == 2 for step in seen)

    with pytest.raises(RenderCancelled):
        render(
            small,
            picture_of(tmp_path),
            DOG,
            settings=SamplingSettings(num_steps=4),
            on_progress=lambda progress: seen.append(progress.step),
            is_cancelled=is_cancelled,
        )
    assert 3 not in seen


def full_memory(limit: int) -> Callable[..., torch.Tensor]:
    """A flow that runs out of memory for batches larger than `limit`."""
    flow = Generator.flow

    def limited(generator: Generator, x: torch.Tensor, *args: Any) -> torch.Tensor:
        if x.shape[0] > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return flow(generator, x, *args)

    return limited


def test_batch_that_does_not_fit_is_halved(
    small: NetworkEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = BatchLimit(32, memory=FakeMemory())
    monkeypatch.setattr(small._sampler, "_limit", limit)
    with mock.patch.object(Generator, "flow", full_memory(2)):
        stems = render(small, picture_of(tmp_path), DOG, BELL, StemRequest(prompt="rain"))
    assert [stem.samples.shape for stem in stems] == [(16_000,)] * 3
    assert limit.num_items == 1


def test_card_too_small_for_one_stem_says_so(small: NetworkEngine, tmp_path: Path) -> None:
    with (
        mock.patch.object(Generator, "flow", full_memory(0)),
        pytest.raises(OutOfMemoryError, match="too small for even one stem"),
    ):
        render(small, picture_of(tmp_path), DOG)


def test_little_free_memory_makes_small_batches(
    small: NetworkEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = FakeMemory(taken=1 << 30, free=3 << 30)
    monkeypatch.setattr(small._sampler, "_limit", BatchLimit(32, memory=memory))
    sizes: list[int] = []
    with mock.patch.object(Generator, "flow", recorded_flow(sizes)):
        render(small, picture_of(tmp_path), *(StemRequest(prompt="dog", seed=seed) for seed in range(5)))
    assert sizes == [2, 4, 4]


def test_fused_activations_run_on_the_card(card: FakeCard, tmp_path: Path) -> None:
    pytest.importorskip("triton", reason="Triton comes with torch's CUDA builds for Linux only")
    engine = load_fake(card, find_model(SMALL), own=["vocoder"])
    assert accelerate(engine._network, "fused") == "; acceleration fused"
    [stem] = render(engine, picture_of(tmp_path), DOG)
    assert stem.samples.shape == (16_000,)


def test_stretch_is_redone_away_from_a_sibling(small: NetworkEngine, tmp_path: Path) -> None:
    """Both the stem that the stretch lies in and the stretch are sampled, each guided by three velocities."""
    redone = StemRequest(
        prompt="dog",
        siblings=("bell",),
        redo=RedoneStretch(base=DOG, start_s=Fraction(1, 4), end_s=Fraction(1, 2)),
    )
    sizes: list[int] = []
    with mock.patch.object(Generator, "flow", recorded_flow(sizes)):
        [stem] = render(
            small, picture_of(tmp_path), redone, settings=SamplingSettings(num_steps=2, separate=0.5)
        )
    assert stem.samples.shape == (16_000,)
    assert sizes == [2, 2, 3, 3]


def test_closed_engine_leaves_nothing_on_the_card(card: FakeCard, tmp_path: Path) -> None:
    """Nano, with what was fitted for it and fused activations: of all sizes it holds most that is no weight of a part."""
    pytest.importorskip("triton", reason="Triton comes with torch's CUDA builds for Linux only")
    spec = NANO_SPEC.video_encoder
    held_before = bytes_on_the_card()
    presence = PresenceModel(
        hidden_weight=torch.zeros(NUM_HIDDEN, spec.width + spec.num_heads + 1, device=DEVICE),
        hidden_bias=torch.zeros(NUM_HIDDEN, device=DEVICE),
        score_weight=torch.zeros(NUM_HIDDEN, device=DEVICE),
        score_bias=torch.zeros((), device=DEVICE),
    )
    engine = load_fake(card, find_model("selva-nano"), own=PARTS, presence=presence)
    del presence
    accelerate(engine._network, "fused")
    render(engine, picture_of(tmp_path), DOG)
    assert bytes_on_the_card() - held_before > 4 * engine._network.num_parameters()
    engine.close()
    assert bytes_on_the_card() == held_before
    with pytest.raises((TypeError, AttributeError)):
        render(engine, picture_of(tmp_path), DOG)


def bytes_on_the_card() -> int:
    """Of all tensors that are alive, their memory counted once."""
    gc.collect()
    tensors = [each for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]
    memory = {
        each.untyped_storage()._cdata: each.untyped_storage() for each in tensors if each.device == DEVICE
    }
    return sum(storage.nbytes() for storage in memory.values())
