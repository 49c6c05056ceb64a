"""Children of tests with their signals set: a test run in the background of a shell, by nohup or by cron ignores SIGINT or
SIGHUP, and a child inherits that.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

_CODE = """\
import os, signal, sys
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    signal.signal(getattr(signal, name), signal.SIG_IGN if name in sys.argv[1].split() else signal.SIG_DFL)
os.execv(sys.argv[2], sys.argv[2:])
"""


def with_default_signals(command: Sequence[str], *, ignored: str = "") -> list[str]:
    """The command, whose first word is a path, behind a program that gives signals their default actions and then becomes
    the command. ignored: names without SIG, such as "HUP".
    """
    names = " ".join(f"SIG{name}" for name in ignored.split())
    return [sys.executable, "-c", _CODE, names, *command]
