"""transformers is imported past a torchaudio or torchvision that does not load, which is reported once, with the remedy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging, sys
logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
import selva_core.network
import selva_core.network.text_towers
print("loaded", selva_core.network.text_towers.T5EncoderModel.__name__, "torchaudio" in sys.modules)
"""


def run_with(name: str, body: str, folder: Path) -> list[str]:
    """The lines that a program prints which imports the network beside a package `name` of this content."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(body, encoding="utf-8")
    program = f"import sys; sys.path.insert(0, {str(folder)!r})\n{PROGRAM}"
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", ["torchaudio", "torchvision"])
def test_broken_companion_is_reported_once_with_the_remedy_and_not_used(name: str, tmp_path: Path) -> None:
    [warning, loaded] = run_with(name, 'raise OSError("undefined symbol: aoti_torch_abi")', tmp_path)
    assert "undefined symbol: aoti_torch_abi" in warning
    assert warning.endswith(f"-m pip uninstall --yes {name}")
    assert loaded.startswith("loaded T5EncoderModel")


def test_companion_that_loads_is_left_alone(tmp_path: Path) -> None:
    assert run_with("torchaudio", "", tmp_path) == ["loaded T5EncoderModel True"]
