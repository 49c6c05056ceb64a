"""The time that a job still takes, from measured rates of its stages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import pytest

from selva_daemon.jobs.progress import JobProgress
from selva_daemon.jobs.stage_rates import MAX_ROWS, Measured, StageRates
from selva_daemon.jobs.time_left import TimeLeft
from selva_daemon.protocol.worker_link import JobProgressed

WHOLE = {"picture": 100.0, "text": 2.0, "sampling": 500.0, "sound": 100.0, "writing": 4.0}
STEPS = 25


def reports(seconds: dict[str, float]) -> Iterator[tuple[float, JobProgressed]]:
    """A job whose stages take so long: the clock, and what the worker sends, in STEPS reports a stage."""
    now_s, left = 0.0, dict(WHOLE)
    for stage, whole in WHOLE.items():
        for step in range(STEPS + 1):
            left[stage] = whole * (1 - step / STEPS)
            yield (
                now_s,
                JobProgressed(
                    job_id="job", stage=stage, fraction=0.0, step=0, num_steps=0, work_left=dict(left)
                ),
            )
            now_s += seconds[stage] / STEPS if step < STEPS else 0.0


def follow(time_left: TimeLeft, seconds: dict[str, float]) -> list[tuple[str, float, float | None]]:
    """Stage, what is truly left, and what is shown, at each report."""
    total_s, found = sum(seconds.values()), []
    for now_s, event in reports(seconds):
        time_left.update(event, now_s)
        found.append((event.stage, total_s - now_s, time_left.seconds()))
    return found


def new(rates: StageRates, *, num_batched: int = 1) -> TimeLeft:
    return TimeLeft(model="small", device="cpu", rates=rates, num_batched=num_batched)


USUAL = {"picture": 10.0, "text": 1.0, "sampling": 20.0, "sound": 60.0, "writing": 1.0}


def test_the_first_job_of_a_model_is_estimated_from_its_own_stages() -> None:
    shown = [shown_s for _, _, shown_s in follow(new(StageRates()), USUAL)]
    num_silent = shown.count(None)
    assert 0 < num_silent < len(shown) / 2, "nothing is said before enough is measured"
    assert None not in shown[num_silent:]
    assert shown[-1] == 0.0


def test_the_second_job_knows_the_time_of_every_stage_from_its_first_report() -> None:
    rates = StageRates()
    first = new(rates)
    follow(first, USUAL)
    first.learn()
    for _, true_s, shown_s in follow(new(rates), USUAL):
        assert shown_s == pytest.approx(true_s, rel=0.05, abs=0.5)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("slow_stage", ["picture", "sampling", "sound"])
def test_the_time_left_climbs_only_where_a_stage_begins_or_is_first_measured(
    known: bool, slow_stage: str
) -> None:
    rates = StageRates()
    if known:
        usual = new(rates)
        follow(usual, USUAL)
        usual.learn()
    shown = follow(new(rates), {**USUAL, slow_stage: 8 * USUAL[slow_stage]})
    climbs = [
        (before, after)
        for before, after in pairwise(shown)
        if before[2] is not None and after[2] is not None and after[2] > before[2] + 1e-9
    ]
    reports_in_stage: dict[str, int] = {}
    for index, (before, after) in enumerate(pairwise(shown)):
        reports_in_stage[after[0]] = reports_in_stage.get(after[0], 0) + 1
        if (before, after) in climbs:
            is_first_measured = not known and reports_in_stage[after[0]] <= 2
            assert before[0] != after[0] or is_first_measured, (index, before, after)


FIRST_JOBS = {  # work and number of reports by stage
    "nano, a stem of 2 s": {"picture": (1.5, 4), "sampling": (45.0, 25), "sound": (7.2, 1)},
    "nano, 4 stems of 8 s": {"picture": (5.4, 12), "sampling": (180.0, 25), "sound": (28.8, 4)},
    "small, a stem of 8 s": {
        "picture": (66.7, 13),
        "text": (1.0, 1),
        "sampling": (20.0, 25),
        "sound": (9.5, 1),
    },
    "large, 8 stems of 8 s": {
        "picture": (99.8, 13),
        "text": (8, 1),
        "sampling": (2400, 25),
        "sound": (340, 8),
    },
}


def first_job(
    stages: dict[str, tuple[float, int]], seconds_per_unit: dict[str, float], *, warm_up: float
) -> Iterator[tuple[float, JobProgressed]]:
    """The clock and the reports of a job; the first report of each stage takes `warm_up` times as long."""
    now_s, left = 0.0, {stage: work for stage, (work, _) in stages.items()}

    def report(stage: str) -> tuple[float, JobProgressed]:
        event = JobProgressed(
            job_id="job", stage=stage, fraction=0.0, step=0, num_steps=0, work_left={**left}
        )
        return now_s, event

    for stage, (work, num_reports) in stages.items():
        yield report(stage)
        for index in range(num_reports):
            part = work / num_reports
            now_s += part * seconds_per_unit[stage] * (warm_up if index == 0 else 1)
            left[stage] -= part
            yield report(stage)


@pytest.mark.parametrize("name", FIRST_JOBS)
@pytest.mark.parametrize("unit_s", [0.002, 0.15, 12.0])
@pytest.mark.parametrize(("warm_up", "climb"), [(1.0, 1.0), (1.4, 1.5)])
def test_the_time_left_of_a_first_job_does_not_climb_on_machines_of_any_speed(
    name: str, unit_s: float, warm_up: float, climb: float
) -> None:
    stages = FIRST_JOBS[name]
    for slowness in product((0.7, 1.0, 1.4), repeat=len(stages)):
        speeds = {stage: unit_s * factor for stage, factor in zip(stages, slowness, strict=True)}
        events = list(first_job(stages, speeds, warm_up=warm_up))
        time_left, shown = new(StageRates()), []
        for now_s, event in events:
            time_left.update(event, now_s)
            if (seconds := time_left.seconds()) is not None:
                shown.append((events[-1][0] - now_s, seconds))
        assert len(shown) > len(events) / 2, "most of the job has an estimate"
        assert all(later <= before * climb for (_, before), (_, later) in pairwise(shown)), slowness
        true_s, first_s = shown[0]
        assert 0.7 * true_s <= first_s <= 3.5 * true_s


@pytest.mark.parametrize("factor", [0.1, 4.0, 10.0])
@pytest.mark.parametrize("stage", ["picture", "sampling", "sound"])
def test_a_machine_that_is_far_slower_in_one_stage_raises_the_time_left_of_a_first_job_once(
    stage: str, factor: float
) -> None:
    for stages in FIRST_JOBS.values():
        speeds = {each: 0.1 * (factor if each == stage else 1.0) for each in stages}
        time_left, shown = new(StageRates()), []
        for now_s, event in first_job(stages, speeds, warm_up=1.0):
            time_left.update(event, now_s)
            shown.append(time_left.seconds() or 0.0)
        climbs = [pair for pair in pairwise(shown) if pair[0] and pair[1] > pair[0]]
        assert len(climbs) <= 1


@pytest.mark.parametrize(("slower", "climbs"), [(1.06, False), (1.8, True)])
def test_a_stage_that_begins_raises_the_time_left_only_when_it_says_something_new(
    slower: float, climbs: bool
) -> None:
    rates = StageRates()
    usual = new(rates)
    follow(usual, USUAL)
    usual.learn()
    shown = follow(new(rates), {**USUAL, "sampling": slower * USUAL["sampling"]})
    pairs = [(before[2], after[2]) for before, after in pairwise(shown)]
    assert any(after > before + 1e-9 for before, after in pairs if before and after) is climbs


def test_the_time_of_loading_is_not_taken_for_that_of_rendering() -> None:
    """Before a stage is measured nothing is shown, however long the job has run and whatever its fraction is."""
    time_left = new(StageRates())
    _, first = next(reports(USUAL))
    time_left.update(first, 5.0)
    progress = JobProgress(stage="picture", fraction=0.03, started_s=0.0, time_left=time_left)
    assert progress.seconds_left(5.0) is None
    assert replace(progress, time_left=None).seconds_left(5.0) == pytest.approx(5.0 / 0.03 * 0.97)


def test_a_busy_machine_is_seen_in_the_stages_that_are_done() -> None:
    rates = StageRates()
    usual = new(rates)
    follow(usual, USUAL)
    usual.learn()
    slow = {stage: 3 * seconds for stage, seconds in USUAL.items()}
    shown = follow(new(rates), slow)
    at_sampling = next(row for row in shown if row[0] == "sampling")
    assert at_sampling[2] == pytest.approx(at_sampling[1], rel=0.1)


def test_jobs_that_share_batches_teach_the_time_that_one_takes_alone() -> None:
    rates = StageRates()
    shared = new(rates, num_batched=4)
    follow(shared, {stage: 4 * seconds for stage, seconds in USUAL.items()})
    shared.learn()
    alone = follow(new(rates), USUAL)
    assert alone[0][2] == pytest.approx(alone[0][1], rel=0.05)


def test_a_report_without_work_says_nothing_about_time() -> None:
    time_left = new(StageRates())
    time_left.update(JobProgressed(job_id="job", stage="loading", fraction=0.0, step=0, num_steps=0), 1.0)
    assert time_left.seconds() is None


def test_rates_outlive_the_daemon_and_are_kept_by_model_and_device(tmp_path: Path) -> None:
    file = tmp_path / "stage_rates.json"
    rates = StageRates(file)
    rates.learn("small", "cpu", {"sound": Measured(6.0, 3.0)})
    rates.save()
    after = StageRates(file)
    assert after.seconds_per_unit("small", "cpu", "sound") == 2.0
    assert after.seconds_per_unit("small", "cuda", "sound") is None
    assert after.seconds_per_unit("large", "cpu", "sound") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"small on cpu": {"sound": [1]}}', b"\xff"])
def test_a_damaged_file_of_rates_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "stage_rates.json"
    file.write_bytes(content)
    rates = StageRates(file)
    rates.learn("small", "cpu", {"sound": Measured(6.0, 3.0)})
    rates.save()
    assert StageRates(file).seconds_per_unit("small", "cpu", "sound") == 2.0


def test_a_state_folder_that_cannot_be_written_costs_the_estimates_only(tmp_path: Path) -> None:
    rates = StageRates(tmp_path / "missing" / "stage_rates.json")
    rates.learn("small", "cpu", {"sound": Measured(6.0, 3.0)})
    rates.save()
    assert rates.seconds_per_unit("small", "cpu", "sound") == 2.0


def test_the_file_of_rates_is_bounded() -> None:
    rates = StageRates()
    for index in range(MAX_ROWS + 1):
        rates.learn(f"model {index}", "cpu", {"sound": Measured(1.0, 1.0)})
    assert rates.seconds_per_unit("model 0", "cpu", "sound") is None
    assert rates.seconds_per_unit(f"model {MAX_ROWS}", "cpu", "sound") == 1.0
