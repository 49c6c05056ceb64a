"""How a download is shown."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from selva_cli.terminal.download_bar import DownloadBar, TransferRate
from selva_core.models.pull import PullProgress

MIB = 1 << 20


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def progress(done_mib: int, *, stage: str = "download", note: str = "") -> PullProgress:
    return PullProgress(
        stage=stage,
        path="weights/a.pth",
        file_index=1,
        num_files=4,
        done_bytes=done_mib * MIB,
        total_bytes=1000 * MIB,
        note=note,
    )


def test_the_rate_is_that_of_the_last_seconds_and_leaves_out_what_was_there() -> None:
    clock = Clock()
    rate = TransferRate(clock=clock)
    rate.update(500)
    assert rate.bytes_per_second() is None
    for second in range(1, 61):
        clock.now_s = second
        rate.update(500 + (10 * second if second <= 30 else 300 + 100 * (second - 30)))
    assert rate.bytes_per_second() == 100


def test_a_pipe_gets_a_line_now_and_then_with_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with DownloadBar(console=Console(file=io.StringIO(), force_terminal=False), clock=clock) as bar:
        for second in range(26):
            clock.now_s = second
            bar(progress(100 + 4 * second))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "selva: [2/4] a.pth, 14%, 140 MiB of 1000 MiB, 4 MiB/s, 3 min 35 s left",
        "selva: [2/4] a.pth, 18%, 180 MiB of 1000 MiB, 4 MiB/s, 3 min 25 s left",
    ]


def test_a_terminal_gets_one_bar_over_all_files() -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=120)
    clock = Clock()
    with DownloadBar(console=console, clock=clock) as bar:
        bar(progress(100))
        clock.now_s = 5
        bar(progress(150))
        bar._progress.refresh()
    assert "[2/4] a.pth" in shown.getvalue()
    assert "150 MiB of 1000 MiB, 10 MiB/s, 1 min 25 s left" in shown.getvalue()


def test_a_pause_is_explained_once(capsys: pytest.CaptureFixture[str]) -> None:
    with DownloadBar(console=Console(file=io.StringIO(), force_terminal=False)) as bar:
        for _ in range(3):
            bar(progress(100, stage="retry", note="hub is busy; again in 4 s"))
        bar(progress(101))
        for _ in range(2):
            bar(progress(101, stage="wait"))
    assert capsys.readouterr().err.splitlines() == [
        "selva: hub is busy; again in 4 s",
        "selva: another selva changes the models folder; waiting for it",
    ]
