"""Signals that end long-running commands: from a terminal, from its end, from a service manager."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# SIGHUP is what the end of a terminal or of a remote session sends, SIGBREAK what Ctrl-Break on Windows does; each is
# there on some systems only.
_STOP_SIGNALS = ("SIGTERM", "SIGHUP", "SIGBREAK")


class Interrupted(KeyboardInterrupt):
    """The program was asked to end.

    Python's own KeyboardInterrupt, raised while a module is imported that defines a dataclass, lets CPython exit as killed by
    SIGINT although it was caught and everything ended well: its `exec` takes note of exactly that class.
    """


def raise_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise Interrupted


@contextmanager
def interrupted_by_stop_signals() -> Iterator[None]:
    """Let every signal that asks a program to end, Ctrl-C included, raise Interrupted: the same exit status, unfinished work left
    whole, locks released and waiting jobs cancelled, wherever it finds the program.

    One that was ignored when the program was started stays ignored: nohup means SIGHUP, a shell means SIGINT of its background
    jobs. Works in the main thread only.
    """
    with _handled_by(raise_interrupt, ("SIGINT", *_STOP_SIGNALS)):
        yield


@contextmanager
def counted_stop_signals() -> Iterator[Callable[[], bool]]:
    """For a loop that asks often: the function says whether a signal, Ctrl-C included, has asked the program to end.

    An exception may be raised anywhere, also where a file is half written. A second signal does raise Interrupted, for a loop
    that does not ask any more.
    """
    num_signals = 0

    def count(number: int, frame: FrameType | None) -> None:
        nonlocal num_signals
        num_signals += 1
        if num_signals > 1:
            raise_interrupt(number, frame)

    with _handled_by(count, ("SIGINT", *_STOP_SIGNALS)):
        yield lambda: num_signals > 0


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], object], names: tuple[str, ...]) -> Iterator[None]:
    numbers = [number for name in names if (number := getattr(signal, name, None)) is not None]
    before = {number: signal.getsignal(number) for number in numbers}
    for number, earlier in before.items():
        if earlier is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
