"""Random changes of a folder that two machines watch, with crashes and a share that goes away: each input has one true outcome.

Seeded and step by step; `bench/watch_random.py` does the same for minutes with real daemons that are killed.
"""

from __future__ import annotations

import random
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_render.watch.item_outcomes import OutcomeRecorder
from selva_render.watch.item_renderer import ItemRenderer
from selva_render.watch.result_places import ResultPlaces
from tests.selva_render.watch.watching import Watcher, watching
from tests.support.daemons import StartServer

sys.path.insert(0, str(Path(__file__).parents[3] / "bench"))

import watch_inputs


class Crash(BaseException):
    """Ends a watcher where it stands, as a kill would."""


class Machine:
    """A watcher that can be killed and started again."""

    def __init__(self, share: Path, results: Path, state: Path, paths: AppPaths) -> None:
        self._where = (share, results, state)
        self._paths = paths
        self._stack = ExitStack()
        self.clock_s = 1_000_000.0
        self.start()

    def start(self) -> None:
        self.watcher: Watcher = self._stack.enter_context(
            watching(*self._where, connect=lambda: Client.connect(paths=self._paths), expiry_s=20.0)
        )

    def step(self) -> None:
        self.clock_s += 3.0
        self.watcher.clock[0] = self.clock_s
        try:
            self.watcher.step(seconds=0.0)
        except Crash:
            self.stop()
            self.start()

    def stop(self) -> None:
        self._stack.close()


@pytest.mark.parametrize(
    ("seed", "num_steps"),
    [(1, 24), *(pytest.param(seed, 100, marks=pytest.mark.slow) for seed in (2, 3, 4))],
)
@pytest.mark.usefixtures("client")
def test_each_input_has_one_true_outcome(
    seed: int, num_steps: int, tmp_path: Path, paths: AppPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    share, results = tmp_path / "share", tmp_path / "results"
    inputs = watch_inputs.Inputs(
        root=share, rng=rng, clips=[watch_inputs.encode_clip(n) for n in range(1, 5)]
    )
    inputs.start()
    crashes = crash_at_random(rng, monkeypatch)
    machines = [Machine(share, results, tmp_path / name, paths) for name in ("one", "two")]
    for number in range(num_steps):
        inputs.step()
        if number % 20 == 5:
            share.rename(tmp_path / "away")
            rng.choice(machines).step()
            (tmp_path / "away").rename(share)
        if rng.random() < 0.4:
            rng.choice(machines).step()
    inputs.finish()
    crashes.clear()
    for _ in range(12):
        for machine in machines:
            machine.step()
    journals = [machine.watcher.journal for machine in machines]
    faults = list(watch_inputs.iter_faults(inputs, journals, ResultPlaces(root=share, results=results)))
    for machine in machines:
        machine.stop()
    assert len(inputs.files) > num_steps / 8
    assert faults == []


def crash_at_random(rng: random.Random, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Let one in eight items crash its watcher, before or after its results are published; not once the list is empty. What a
    crash does not do is give its claim up.
    """
    is_on = [True]
    render, end_done, drop = ItemRenderer.render, OutcomeRecorder.end_done, OutcomeRecorder.drop
    crashed: list[bool] = []

    def crash_sometimes(action: Any) -> Any:
        def act(*arguments: Any, **fields: Any) -> Any:
            if is_on and rng.random() < 0.12:
                crashed.append(True)
                raise Crash
            return action(*arguments, **fields)

        return act

    def drop_unless_crashed(*arguments: Any) -> None:
        if not isinstance(sys.exc_info()[1], Crash):
            drop(*arguments)

    monkeypatch.setattr(ItemRenderer, "render", crash_sometimes(render))
    monkeypatch.setattr(OutcomeRecorder, "end_done", crash_sometimes(end_done))
    monkeypatch.setattr(OutcomeRecorder, "drop", drop_unless_crashed)
    return is_on


def test_an_untrue_outcome_would_be_seen(tmp_path: Path, paths: AppPaths, start_server: StartServer) -> None:
    """The twin of the test above: the same checks find results of another content, and doubled ones."""
    start_server()
    share, results = tmp_path / "share", tmp_path / "results"
    clips = [watch_inputs.encode_clip(flash) for flash in (2, 6)]
    inputs = watch_inputs.Inputs(root=share, rng=random.Random(1), clips=clips)  # noqa: S311
    inputs.start()
    places = ResultPlaces(root=share, results=results)
    for name, clip, flash in (("a.mov", clips[0], 2), ("b.mov", clips[1], 6)):
        (share / name).write_bytes(clip)
        inputs.files[name] = watch_inputs.Content(clip, flash)
    machine = Machine(share, results, tmp_path / "one", paths)
    for _ in range(3):
        machine.step()
    journal = machine.watcher.journal
    assert list(watch_inputs.iter_faults(inputs, [journal], places)) == []
    inputs.files["a.mov"] = watch_inputs.Content(clips[0], 6)
    (fault,) = watch_inputs.iter_faults(inputs, [journal], places)
    assert "it is of another content" in fault
    inputs.files["a.mov"] = watch_inputs.Content(clips[0], 2)
    (results / "copy").mkdir()
    (results / "copy" / "report.json").write_bytes((results / "a" / "report.json").read_bytes())
    (fault,) = watch_inputs.iter_faults(inputs, [journal], places)
    assert "was rendered 2 times" in fault
    machine.stop()
