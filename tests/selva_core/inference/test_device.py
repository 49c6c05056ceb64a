"""The device and precision that a model runs on, for every combination of request and machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from selva_core.base.errors import DeviceUnavailableError, RequestError
from selva_core.inference import processor_rates
from selva_core.inference.device import (
    CudaDevice,
    DevicesPresent,
    choose_device,
    is_out_of_memory,
    probe_devices,
)
from selva_core.inference.processor_rates import ProcessorRates, load_processor_rates

OLD_CARD = CudaDevice(name="Old Card", free_bytes=20_000, has_bfloat16=False)
NEW_CARD = CudaDevice(name="New Card", free_bytes=30_000, has_bfloat16=True)
TWO_CARDS = DevicesPresent(
    cuda=(OLD_CARD, NEW_CARD), processor_rates=lambda: ProcessorRates(float32_gflops=9.0, bfloat16_gflops=1.0)
)
MAC = DevicesPresent(why_no_cuda="this torch is built without CUDA", has_mps=True, mps_has_bfloat16=True)
OLD_MAC = DevicesPresent(has_mps=True)
SLOW_IN_BFLOAT16 = ProcessorRates(float32_gflops=100.0, bfloat16_gflops=10.0)
FAST_IN_BFLOAT16 = ProcessorRates(float32_gflops=150.0, bfloat16_gflops=345.0)
NOTHING = DevicesPresent(processor_rates=lambda: SLOW_IN_BFLOAT16)
NEW_PROCESSOR = DevicesPresent(processor_rates=lambda: FAST_IN_BFLOAT16)


@pytest.mark.parametrize(
    ("requested", "present", "device", "dtype"),
    [
        ("auto", TWO_CARDS, "cuda:1", torch.bfloat16),
        ("cuda", TWO_CARDS, "cuda:1", torch.bfloat16),
        ("cuda:0", TWO_CARDS, "cuda:0", torch.float32),
        ("CPU", TWO_CARDS, "cpu", torch.float32),
        ("auto", MAC, "mps", torch.bfloat16),
        ("mps", OLD_MAC, "mps", torch.float32),
        ("auto", NOTHING, "cpu", torch.float32),
    ],
)
def test_device_follows_the_machine_and_the_request(
    requested: str, present: DevicesPresent, device: str, dtype: torch.dtype
) -> None:
    choice = choose_device(requested, present)
    assert (choice.device, choice.dtype) == (torch.device(device), dtype)


@pytest.mark.parametrize(
    ("requested", "present", "message"),
    [
        ("auto", TWO_CARDS, "cuda:1 (New Card, bfloat16): the CUDA device with most free memory"),
        ("cuda:0", TWO_CARDS, "cuda:0 (Old Card, float32): cuda:0 was asked for"),
        ("auto", MAC, "mps (bfloat16): Apple's GPU, as this torch is built without CUDA"),
        (
            "auto",
            NOTHING,
            "cpu (float32): no CUDA device is visible and there is no Apple GPU; bfloat16 is 0.1 times as fast as "
            "float32 on this processor",
        ),
        (
            "cpu",
            NEW_PROCESSOR,
            "cpu (bfloat16): cpu was asked for; bfloat16 is 2.3 times as fast as float32 on this processor",
        ),
    ],
)
def test_reason_names_the_device_and_why(requested: str, present: DevicesPresent, message: str) -> None:
    assert choose_device(requested, present).reason == message


@pytest.mark.parametrize(
    ("requested", "present", "precision", "dtype"),
    [
        ("cpu", NOTHING, "bfloat16", torch.bfloat16),
        ("cpu", NEW_PROCESSOR, "float32", torch.float32),
        ("cuda:1", TWO_CARDS, "float32", torch.float32),
        ("cuda:1", TWO_CARDS, "bfloat16", torch.bfloat16),
        ("mps", MAC, "float32", torch.float32),
    ],
)
def test_precision_that_is_asked_for_wins_and_is_named(
    requested: str, present: DevicesPresent, precision: str, dtype: torch.dtype
) -> None:
    choice = choose_device(requested, present, precision=precision)
    assert choice.dtype == dtype
    assert f"{precision} as asked for" in choice.reason


@pytest.mark.parametrize(("requested", "present"), [("cuda:0", TWO_CARDS), ("mps", OLD_MAC)])
def test_bfloat16_is_refused_where_the_gpu_has_none(requested: str, present: DevicesPresent) -> None:
    with pytest.raises(DeviceUnavailableError, match="has no bfloat16; use the precision float32 or auto"):
        choose_device(requested, present, precision="bfloat16")


def test_unknown_precision_is_refused() -> None:
    with pytest.raises(RequestError, match="a precision is one of auto, float32, bfloat16; got 'half'"):
        choose_device("cpu", NOTHING, precision="half")


def test_network_too_small_to_gain_stays_in_float32_and_measures_nothing() -> None:
    def refuse() -> ProcessorRates:
        raise AssertionError("the processor was measured")

    present = DevicesPresent(processor_rates=refuse)
    assert choose_device("cpu", present, measures_processor=False).dtype == torch.float32
    assert (
        choose_device("cpu", present, measures_processor=False, precision="bfloat16").dtype == torch.bfloat16
    )


def test_processor_is_measured_once_and_read_from_its_file_afterwards(tmp_path: Path) -> None:
    file = tmp_path / "cache" / "processor.json"
    measured = load_processor_rates(file)
    assert measured.float32_gflops > 0
    assert measured.bfloat16_gflops > 0
    stored = json.loads(file.read_text(encoding="utf-8"))
    [key] = stored
    file.write_text(
        json.dumps({key: {"float32_gflops": 2.0, "bfloat16_gflops": 6.0}, "other": {}}), encoding="utf-8"
    )
    assert load_processor_rates(file).bfloat16_gain == 3.0


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', "{broken"])
def test_damaged_file_of_rates_is_measured_anew(
    tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor_rates, "measure_processor_rates", lambda: FAST_IN_BFLOAT16)
    file = tmp_path / "processor.json"
    file.write_text(content, encoding="utf-8")
    assert load_processor_rates(file) == FAST_IN_BFLOAT16
    monkeypatch.setattr(processor_rates, "measure_processor_rates", lambda: SLOW_IN_BFLOAT16)
    assert load_processor_rates(file) == FAST_IN_BFLOAT16


@pytest.mark.parametrize(
    ("requested", "present", "message"),
    [
        ("cuda", NOTHING, "no CUDA device is visible; use cpu or auto"),
        ("cuda:2", TWO_CARDS, "this machine has cuda:0, cuda:1"),
        ("mps", TWO_CARDS, "this machine has none"),
    ],
)
def test_missing_device_is_refused_with_those_that_exist(
    requested: str, present: DevicesPresent, message: str
) -> None:
    with pytest.raises(DeviceUnavailableError, match=message):
        choose_device(requested, present)


@pytest.mark.parametrize("requested", ["gpu", "cuda:x", "cpu:1", "", "auto:0"])
def test_unknown_device_name_is_refused(requested: str) -> None:
    with pytest.raises(RequestError, match='a device is "auto", "cpu"'):
        choose_device(requested, TWO_CARDS)


def test_this_machine_can_be_probed_and_its_choice_runs() -> None:
    choice = choose_device("auto", probe_devices())
    assert torch.ones(2, device=choice.device, dtype=choice.dtype).sum().item() == 2


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_full_memory_is_recognised_on_every_back_end(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected
