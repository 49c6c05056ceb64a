"""Progress of a render: lines now and then where no terminal is, and the time that is left."""

from __future__ import annotations

import io
from typing import Any, cast

import pytest
from rich.console import Console

from selva_cli.terminal.progress_bars import LINE_EVERY_S, RenderBars, TimeLeft
from selva_daemon.protocol.status import JobStatus


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Job:
    """What the bars read of a job."""

    class clip:  # noqa: N801 - stands for a value
        name = "yard"


def status(job_id: str = "a", state: str = "running", **values: Any) -> JobStatus:
    plain: dict[str, Any] = {
        "job_id": job_id,
        "state": state,
        "label": "yard",
        "model": "selva-echo",
        "priority": "interactive",
        "num_stems": 1,
        "sequence": 1,
        "submitted_s": 0.0,
    }
    return JobStatus(**{**plain, **values})


def bars(clock: Clock, *, num_clips: int = 2, console: Console | None = None) -> RenderBars:
    return RenderBars(num_clips=num_clips, console=console or Console(file=io.StringIO()), clock=clock)


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    show, job = bars(clock), cast(Any, Job)
    for second in range(35):
        clock.now_s = 100.0 + second
        show(job, status(fraction=second / 35, stage="sampling", seconds_left=70.0 - second))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0] == "selva: 0 of 2 clips, 14%, yard: sampling, 1 min 0 s left"


def test_jobs_beyond_the_clips_count_too(capsys: pytest.CaptureFixture[str]) -> None:
    """A conform makes each take of a stem that goes on in a job of its own: "5 of 3 clips, 100%" was shown."""
    clock = Clock()
    show, job = bars(clock, num_clips=2), cast(Any, Job)
    for job_id in "abcde":
        show(job, status(job_id, state="queued"))
    for job_id in "abc":
        show(job, status(job_id, state="done"))
    clock.now_s += LINE_EVERY_S
    show(job, status("d", fraction=0.5, stage="sampling"))
    assert capsys.readouterr().err.splitlines()[0].startswith("selva: 3 of 5 clips, 70%, yard: sampling")


def test_what_is_over_soon_writes_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    show, job = bars(clock, num_clips=1), cast(Any, Job)
    show(job, status(fraction=0.5))
    clock.now_s += LINE_EVERY_S - 1
    show(job, status(state="done"))
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_bars_with_the_time_left_and_no_lines(capsys: pytest.CaptureFixture[str]) -> None:
    screen, clock = io.StringIO(), Clock()
    show, job = (
        bars(clock, num_clips=1, console=Console(file=screen, force_terminal=True, width=120)),
        cast(Any, Job),
    )
    with show:
        clock.now_s += 2 * LINE_EVERY_S
        show(job, status(fraction=0.5, stage="sampling", seconds_left=65.0))
        show._progress.refresh()
    assert "1 min 5 s left" in screen.getvalue()
    assert capsys.readouterr().err == ""


def test_the_time_left_is_that_of_the_job_that_ends_last() -> None:
    clock = Clock()
    left = TimeLeft(num_jobs=2, clock=clock)
    left.update(status("a", seconds_left=10.0))
    assert left.seconds() is None
    left.update(status("b", "queued", seconds_left=40.0))
    assert left.seconds() == 40.0
    clock.now_s += 15
    left.update(status("a", "done"))
    assert left.seconds() == 25.0


def test_without_an_estimate_the_time_left_follows_from_the_pace() -> None:
    clock = Clock()
    left = TimeLeft(num_jobs=4, clock=clock)
    left.update(status("a", fraction=0.0))
    assert left.seconds() is None
    clock.now_s += 10
    left.update(status("a", "done"))
    assert left.seconds() == pytest.approx(30.0)


def test_the_time_left_of_many_jobs_is_not_worked_out_for_each_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, num_looks = Clock(), 0
    worked_out = TimeLeft.seconds

    def counted(self: TimeLeft) -> float | None:
        nonlocal num_looks
        num_looks += 1
        return worked_out(self)

    monkeypatch.setattr(TimeLeft, "seconds", counted)
    for is_terminal in (True, False):
        console = Console(file=io.StringIO(), force_terminal=is_terminal, width=120)
        show = bars(clock, num_clips=100, console=console)
        for number in range(100):
            show(cast(Any, Job), status(f"job {number}", fraction=0.5, seconds_left=3.0))
    assert num_looks == 1, "once on the terminal, and in the log not before a line is due"
    clock.now_s += LINE_EVERY_S
    show(cast(Any, Job), status("job 1", fraction=0.6, seconds_left=2.0))
    assert num_looks == 2
