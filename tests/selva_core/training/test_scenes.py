"""Scenes are functions of their seeds, and their sounds occur when they are seen."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from selva_core.audio.take_agreement import match_onsets
from selva_core.training.evaluation.measures import find_onsets
from selva_core.training.scenes.scene import KINDS, SUSTAINED, build_scene
from selva_core.training.scenes.scene_files import write_scene

IMPACTS = tuple(kind for kind in KINDS if kind not in SUSTAINED)


def test_same_seed_gives_the_same_frames_and_sound() -> None:
    one, other = (build_scene(11, duration_s=2.0) for _ in range(2))
    assert np.array_equal(one.draw(32), other.draw(32))
    assert np.array_equal(one.mixture(), other.mixture())


def test_another_seed_gives_another_scene() -> None:
    one, other = (build_scene(seed, duration_s=2.0) for seed in (11, 12))
    assert not np.array_equal(one.draw(32), other.draw(32))


def test_scenes_have_one_to_three_sources_of_different_kinds() -> None:
    for seed in range(20):
        kinds = [placed.source.kind for placed in build_scene(seed, duration_s=1.0).targets]
        assert 1 <= len(kinds) <= 3
        assert len(set(kinds)) == len(kinds)


def test_there_are_enough_kinds_and_enough_of_them_are_sustained() -> None:
    assert len(KINDS) >= 12
    assert len(SUSTAINED) >= 4


@pytest.mark.parametrize("kind", IMPACTS)
def test_impacts_are_heard_at_their_onsets(kind: str) -> None:
    source = build_scene(21, duration_s=6.0, kinds=[kind]).targets[0].source
    matched, _, expected = match_onsets(find_onsets(source.sound), source.onsets_s)
    assert expected >= 3
    assert matched / expected >= 0.75


def _change_around_onsets(kind: str) -> tuple[float, float]:
    """How much the picture changes from frame to frame around the onsets, and in general."""
    scene = build_scene(22, duration_s=6.0, kinds=[kind])
    change = np.abs(np.diff(scene.draw(48).astype(int), axis=0)).sum(axis=(1, 2, 3))
    struck = [round(time_s * 25) for time_s in scene.targets[0].source.onsets_s if 0.2 < time_s < 5.6]
    return float(np.mean([change[k - 2 : k + 4].max() for k in struck])), float(np.median(change))


@pytest.mark.parametrize("kind", [kind for kind in IMPACTS if kind != "bell"])
def test_impact_sources_move_at_their_onsets(kind: str) -> None:
    around, usual = _change_around_onsets(kind)
    assert around > 1.2 * usual


def test_the_bell_turns_back_at_its_onsets() -> None:
    around, usual = _change_around_onsets("bell")
    assert around < usual


@pytest.mark.parametrize("kind", SUSTAINED)
def test_sustained_sources_are_silent_while_they_rest(kind: str) -> None:
    for seed in range(40):
        source = build_scene(seed, duration_s=6.0, kinds=[kind]).targets[0].source
        assert source.loudness is not None
        expected = source.loudness.as_audio(source.sound.size)
        rests = expected < 1e-4
        if rests.mean() > 0.05 and (expected > 0.4).any():
            quiet, loud = np.abs(source.sound[rests]).mean(), np.abs(source.sound[expected > 0.4]).mean()
            assert quiet < 0.03 * loud
            return
    pytest.fail(f"no scene of {kind} among forty rests and sounds")


def test_no_sound_clips_or_is_much_too_quiet() -> None:
    for kind in KINDS:
        peaks = [
            np.abs(build_scene(seed, duration_s=6.0, kinds=[kind]).targets[0].source.sound).max()
            for seed in (31, 32)
        ]
        assert 0.15 < max(peaks) <= 1.0


def test_scene_is_written_as_picture_sounds_and_events(tmp_path: Path) -> None:
    scene = build_scene(5, duration_s=1.0, kinds=["clock", "rain"])
    write_scene(scene, tmp_path, "scene", size_px=64)
    with av.open(str(tmp_path / "scene.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 25
    events = json.loads((tmp_path / "scene.json").read_text(encoding="utf-8"))
    assert [source["kind"] for source in events["sounding"]] == ["clock", "rain"]
    assert len(events["sounding"][1]["seen"]) == 25
    assert {path.name for path in tmp_path.glob("*.wav")} == {"scene.clock.wav", "scene.rain.wav"}
