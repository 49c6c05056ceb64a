"""What of a model is on its device: chosen from the free memory, estimated before loading, without a change to the sound."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from selva_core.base.errors import OutOfMemoryError, RequestError
from selva_core.base.media import PictureRange
from selva_core.engine import SamplingSettings, StemRequest, Waveform
from selva_core.engines.loading import load_network_engine
from selva_core.engines.memory_choice import MemoryChoice, choose_memory
from selva_core.inference.device import DeviceChoice
from selva_core.models.catalog import find_model
from selva_core.network.residency import Residency


def choose(model_id: str, requested: str, *, device: str = "cuda", free_gb: float = 0.0) -> MemoryChoice:
    choice = DeviceChoice(device=torch.device(device), dtype=torch.float32, reason=f"{device}: a test")
    return choose_memory(find_model(model_id), requested, choice, free_bytes=lambda _: int(free_gb * 1e9))


@pytest.mark.parametrize(
    ("requested", "free_gb", "on_demand"),
    [("auto", 24, False), ("auto", 4, True), ("low", 24, True), ("normal", 24, False)],
)
def test_parts_come_on_demand_where_asked_for_or_where_all_do_not_fit(
    requested: str, free_gb: float, on_demand: bool
) -> None:
    found = choose("selva-small-16k", requested, free_gb=free_gb)
    assert found.on_demand is on_demand
    assert ("memory low" in found.reason) is on_demand


def test_what_cannot_fit_is_refused_before_it_is_loaded() -> None:
    with pytest.raises(
        OutOfMemoryError, match=r"at least \d\.\d GB of cuda.*CLIP.*1\.0 GB are free.*device cpu"
    ):
        choose("selva-small-16k", "auto", free_gb=1.0)
    with pytest.raises(OutOfMemoryError, match=r"4\.0 GB are free.*config set memory low"):
        choose("selva-small-16k", "normal", free_gb=4.0)


@pytest.mark.parametrize(
    ("model_id", "free_gb", "on_demand"),
    [("selva-small-16k", 13, True), ("selva-small-16k", 14, False), ("selva-large-44k", 20, True)],
)
def test_on_a_cpu_large_models_stay_whole_where_they_take_a_third_of_what_is_free(
    model_id: str, free_gb: float, on_demand: bool
) -> None:
    found = choose(model_id, "auto", device="cpu", free_gb=free_gb)
    assert found.on_demand is on_demand
    assert f"memory {'low' if on_demand else 'normal'}: " in found.reason
    assert f"{free_gb}.0 GB are free" in found.reason


def test_on_a_cpu_what_is_named_is_done_and_small_models_stay() -> None:
    for requested, on_demand in (("low", True), ("normal", False)):
        assert choose("selva-large-44k", requested, device="cpu").on_demand is on_demand
        assert choose("selva-nano", requested, device="cpu").on_demand is on_demand
    assert not choose("selva-nano", "auto", device="cpu").on_demand


def test_other_words_are_refused() -> None:
    with pytest.raises(RequestError, match="auto, low, normal"):
        choose("selva-nano", "little")


def test_low_memory_makes_the_same_sound_with_only_the_running_parts_there(
    footage_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = PictureRange(path=footage_folder / "bikes.mp4", start_s=Fraction(0), duration_s=Fraction(1))
    requests = [
        StemRequest(prompt="a dog barking", negative_prompt="music"),
        StemRequest(prompt="a bell rings", seed=2),
    ]

    def render(memory: str) -> list[Waveform]:
        engine = load_network_engine("selva-nano", device="cpu", memory=memory)
        found = engine.render(
            picture,
            requests,
            settings=SamplingSettings(num_steps=2),
            on_progress=lambda progress: None,
            is_cancelled=lambda: False,
        )
        left = [name for name, part in engine._network.parts().items() if _has_weights(part)]
        assert (left == []) is (memory == "low")
        engine.close()
        return found

    expected = render("normal")
    order = record_needs(monkeypatch)
    got = render("low")
    assert order == ["t5", "clip_text", "video_encoder", "generator", "vae", "vocoder", ""]
    for one, other in zip(got, expected, strict=True):
        assert np.array_equal(one.samples, other.samples)
        assert one.warnings == other.warnings
        assert one.evidence == other.evidence


def record_needs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    order: list[str] = []
    need: Callable[..., None] = Residency.need

    def recorded(residency: Residency, *names: str) -> None:
        order.append(" ".join(names))
        need(residency, *names)

    monkeypatch.setattr(Residency, "need", recorded)
    return order


def _has_weights(part: torch.nn.Module) -> bool:
    return next(part.parameters(), None) is not None
