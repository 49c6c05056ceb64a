"""Which acceleration the benchmark recommends, from times that were measured."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

import acceleration


@pytest.mark.parametrize(
    ("total_s", "best"),
    [
        ({"plain": 1.0, "fused": 0.7, "compiled": 0.6, "graphs": 0.4}, "graphs"),
        ({"plain": 1.0, "fused": 0.7, "compiled": 0.69, "graphs": 0.9}, "fused"),
        ({"plain": 1.0, "fused": 0.98, "compiled": 1.2}, "plain"),
        ({"plain": 1.0}, "plain"),
    ],
)
def test_simplest_of_the_quickest_is_recommended(total_s: dict[str, float], best: str) -> None:
    assert acceleration.recommend(total_s) == best


def test_failure_of_a_way_is_shown_and_the_others_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(way: str, arguments: list[str]) -> object:
        if way == "fused":
            return "fused activations need Triton"
        return {"seconds": {"total": 2.0 if way == "plain" else 1.0}, "load_seconds": 3.0}

    monkeypatch.setattr(acceleration, "measure", measured)
    assert acceleration.main([]) == 0
    shown = capsys.readouterr().out
    assert "fused     failed: fused activations need Triton" in shown
    assert "compiled  1.000 s  2.00 times as fast" in shown
    assert shown.endswith("selva config set acceleration compiled\n")
