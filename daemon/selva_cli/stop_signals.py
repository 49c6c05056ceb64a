"""How long-running commands are told to stop: by a terminal, by its end, by a service manager."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

# SIGHUP is what the end of a terminal or of a remote session sends, SIGBREAK what Ctrl-Break on Windows does; each is
# there on some systems only.
_STOP_SIGNALS = ("SIGTERM", "SIGHUP", "SIGBREAK")


@contextmanager
def interrupted_by_stop_signals() -> Iterator[None]:
    """Let every signal that asks a program to end raise KeyboardInterrupt, as Ctrl-C does, so that locks are released and
    unfinished work is left to the next run.

    One that was ignored when the program was started stays ignored: nohup means SIGHUP, a shell means SIGINT of its background
    jobs. Works in the main thread only.
    """
    numbers = [number for name in _STOP_SIGNALS if (number := getattr(signal, name, None)) is not None]
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
