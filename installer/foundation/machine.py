"""The system as the installer sees it; tests put another one in its place, so that each system's rules are tried on any."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ASK_TIMEOUT_S = 20


def ask_program(command: Sequence[str]) -> str | None:
    """What a program prints on standard output; None when it is missing, fails or takes too long."""
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            timeout=ASK_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


@dataclass(frozen=True)
class Machine:
    """platform: as `sys.platform`. architecture: as `platform.machine()`, in lower case. ask: a program's output or None.

    has_path: whether something exists; of graphics drivers, the traces in the file system.
    """

    platform: str = sys.platform
    architecture: str = field(default_factory=lambda: platform.machine().lower())
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    home: Path = field(default_factory=Path.home)
    is_root: bool = field(default_factory=_is_root)
    user_id: int = field(default_factory=lambda: os.getuid() if hasattr(os, "getuid") else 0)
    ask: Callable[[Sequence[str]], str | None] = ask_program
    has_path: Callable[[str], bool] = os.path.exists

    @property
    def is_windows(self) -> bool:
        return self.platform == "win32"

    @property
    def is_mac(self) -> bool:
        return self.platform == "darwin"

    @property
    def os_name(self) -> str:
        """As `os.name`."""
        return "nt" if self.is_windows else "posix"
