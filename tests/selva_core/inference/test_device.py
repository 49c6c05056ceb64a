"""The device and precision that a model runs on, for every combination of request and machine."""

from __future__ import annotations

import pytest
import torch

from selva_core.base.errors import DeviceUnavailableError, RequestError
from selva_core.inference.device import (
    CudaDevice,
    DevicesPresent,
    choose_device,
    is_out_of_memory,
    probe_devices,
)

OLD_CARD = CudaDevice(name="Old Card", free_bytes=20_000, has_bfloat16=False)
NEW_CARD = CudaDevice(name="New Card", free_bytes=30_000, has_bfloat16=True)
TWO_CARDS = DevicesPresent(cuda=(OLD_CARD, NEW_CARD))
MAC = DevicesPresent(why_no_cuda="this torch is built without CUDA", has_mps=True, mps_has_bfloat16=True)
OLD_MAC = DevicesPresent(has_mps=True)
NOTHING = DevicesPresent()


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
        ("auto", NOTHING, "cpu (float32): no CUDA device is visible and there is no Apple GPU"),
    ],
)
def test_reason_names_the_device_and_why(requested: str, present: DevicesPresent, message: str) -> None:
    assert choose_device(requested, present).reason == message


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
