"""Signals that end long-running commands."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from selva_cli.terminal.stop_signals import counted_stop_signals, interrupted_by_stop_signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")


@pytest.fixture(autouse=True)
def signals_of_a_terminal() -> Iterator[None]:
    """As a program has them that a person starts: the tests may run under nohup, or in the background of a shell."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


STOP_WHILE_DEFINING = """\
import os, signal, sys
from selva_cli.terminal.stop_signals import counted_stop_signals
with counted_stop_signals() as is_over:
    exec("os.kill(os.getpid(), signal.SIGTERM)")  # as the module dataclasses runs what it writes
    sys.stdout.write("asked to end" if is_over() else "not asked")
"""


def test_a_first_signal_is_counted_and_a_second_interrupts() -> None:
    with counted_stop_signals() as is_over:
        assert not is_over()
        signal.raise_signal(signal.SIGTERM)
        assert is_over()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_every_stop_signal_interrupts_a_command_that_does_not_ask() -> None:
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        with interrupted_by_stop_signals(), pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_what_was_ignored_at_the_start_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with counted_stop_signals() as is_over:
            signal.raise_signal(signal.SIGHUP)
            assert not is_over()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_while_a_class_is_being_defined_leaves_the_exit_status_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOP_WHILE_DEFINING], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "asked to end")


def test_ctrl_c_while_modules_are_imported_ends_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "selva_cli").mkdir()
    (tmp_path / "selva_cli" / "app.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    program = (
        f"import selva_cli\nselva_cli.__path__[:] = [{str(tmp_path / 'selva_cli')!r}, *selva_cli.__path__]\n"
    )
    program += "from selva_cli.main import main\nmain()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "selva: interrupted\n")
