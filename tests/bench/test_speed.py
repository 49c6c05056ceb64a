"""The speed benchmark: what it counts, what it times, and how two of its results are compared."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench"
sys.path.insert(0, str(BENCH))

import compare  # noqa: E402 - the benchmarks are scripts beside each other, not a package
import full_size_weights  # noqa: E402
import stage_flop  # noqa: E402

from selva_core.models.catalog import find_model, installed_files  # noqa: E402
from selva_core.models.nano_spec import NANO_SPEC  # noqa: E402
from selva_core.models.specs import GENERATOR_SMALL_16K, build_published_spec  # noqa: E402


def result(total: float, **changes: object) -> dict[str, Any]:
    stages = {"total": total, "picture": total / 2, "text": 0.0, "sampling": total / 4, "sound": total / 4}
    return {
        "seconds": stages,
        "again": stages,
        "peak_rss_mb": 1000.0,
        "loaded_rss_mb": 500.0,
        "load_seconds": 2.0,
        "model": "selva-nano",
        "prompts": 1,
        "takes": 1,
        "steps": 25,
        "clip_seconds": 8.0,
        "cores": 2,
        "threads": 2,
        "load": [0.5, 0.5, 0.5],
        **changes,
    }


def write(folder: Path, name: str, value: object) -> str:
    file = folder / name
    file.write_text(json.dumps(value), encoding="utf-8")
    return str(file)


def test_ratio_says_how_many_times_as_long_the_second_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [write(tmp_path, "a.json", result(10.0)), write(tmp_path, "b.json", result(4.0))]
    assert compare.main([*files, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["total"] == printed["again: sampling"] == 0.4
    assert printed["text"] is None
    assert printed["peak_rss_mb"] == 1.0


def test_results_of_different_cases_are_not_compared(tmp_path: Path) -> None:
    files = [write(tmp_path, "a.json", result(10.0)), write(tmp_path, "b.json", result(4.0, prompts=4))]
    with pytest.raises(SystemExit, match="different cases: prompts: 1 and 4"):
        compare.main(files)


def test_busy_machine_and_other_threads_are_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    busy = result(4.0, load=[9.0, 1.0, 1.0], threads=1)
    compare.main([write(tmp_path, "a.json", result(10.0)), write(tmp_path, "b.json", busy)])
    notes = capsys.readouterr().err
    assert "threads: 2 and 1" in notes
    assert "the machine was busy in the second: load 9.0 on 2 cores" in notes
    assert "in the first" not in notes


def test_file_without_seconds_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is no result of"):
        compare.load_result(Path(write(tmp_path, "a.json", {"prompts": 1})))


def test_encoder_of_the_published_models_costs_what_its_layers_add_up_to() -> None:
    spec = build_published_spec(GENERATOR_SMALL_16K)
    gflop = stage_flop.count_gflop(spec, Fraction(8), num_prompts=1, num_stems=1, num_steps=25)
    encoder = spec.video_encoder
    tokens = 24 * (1 + encoder.num_times * encoder.num_patches)
    width, hidden = encoder.width, encoder.mlp_width
    linear = 2 * tokens * encoder.depth * (8 * width * width + 2 * width * hidden)  # two attentions, one MLP
    assert gflop["encoder"] == pytest.approx(
        linear / 1e9, rel=0.1
    )  # attention itself and patches are the rest
    assert gflop["encoder"] > linear / 1e9


def test_arithmetic_grows_with_prompts_takes_and_steps_where_it_is_not_shared() -> None:
    one = stage_flop.count_gflop(NANO_SPEC, Fraction(8), num_prompts=1, num_stems=1, num_steps=5)
    more = stage_flop.count_gflop(NANO_SPEC, Fraction(8), num_prompts=2, num_stems=6, num_steps=10)
    assert more["encoder"] == one["encoder"]
    assert more["steering"] == pytest.approx(2 * one["steering"])
    assert more["vocoder"] == pytest.approx(6 * one["vocoder"])
    assert more["velocity"] == pytest.approx(12 * one["velocity"])


def test_weights_of_a_model_that_comes_with_the_package_are_not_written(tmp_path: Path) -> None:
    full_size_weights.ensure_weights(find_model("selva-nano"), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert installed_files(find_model("selva-nano"), tmp_path)


def test_harness_prints_one_object_with_the_seconds_of_each_stage() -> None:
    command = [
        sys.executable,
        str(BENCH / "speed.py"),
        "--json",
        "--seconds",
        "1/3",
        "--steps",
        "1",
        "--threads",
        "1",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    figures = json.loads(done.stdout)
    for case in ("seconds", "again"):
        parts = [figures[case][stage] for stage in ("picture", "text", "sampling", "sound")]
        assert all(part >= 0 for part in parts)
        assert 0 < sum(parts) <= figures[case]["total"]
    assert figures["again"]["picture"] == 0
    assert figures["peak_rss_mb"] >= figures["loaded_rss_mb"] > 100
    assert figures["dtype"] == "float32"
    assert set(figures["share_of_peak"]) == set(figures["gflop"])
