"""The fused activation beside the plain one, in Triton's interpreter: the kernel is what a card would run, the speed is not."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="Triton comes with torch's CUDA builds for Linux only"
)

# The interpreter is chosen when Triton is imported. 1030 samples are two blocks; 1, 2 and 5 are shorter than the filter.
_COMPARE = """
import torch
from selva_core.network import fused_snake as fused
from selva_core.network.vocoder import AntiAliasedSnake
torch.manual_seed(0)
for num_samples in (1, 2, 5, 1030):
    plain = AntiAliasedSnake(2)
    plain.act.alpha.data, plain.act.beta.data = torch.randn(2), torch.randn(2)
    quick = AntiAliasedSnake(2)
    quick.load_state_dict(plain.state_dict())
    quick.use_kernel(fused.fused_snake, fused.build_taps(torch.device("cpu")))
    x = torch.randn(2, 2, num_samples)
    with torch.inference_mode():
        expected, got = plain(x), quick(x)
    assert got.shape == expected.shape
    print((got - expected).abs().max().item() / expected.abs().max().item())
"""


def test_kernel_gives_what_the_plain_activation_gives() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _COMPARE],
        env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    errors = [float(line) for line in done.stdout.split()]
    assert len(errors) == 4
    assert max(errors) < 1e-5
