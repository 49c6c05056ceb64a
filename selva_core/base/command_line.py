"""Commands that are printed as advice, written so that they work where they are read.

`selva` alone works only where the scripts of this installation are on the PATH, and `pip` alone may be that of another Python.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from selva_core.base.child_process import python_executable

_SAFE_ON_WINDOWS = re.compile(r"[\w@%+=:,./\\~-]+")


def selva_command(*arguments: str, python: str | None = None, platform: str = sys.platform) -> str:
    """`selva ARGUMENTS` for a shell: with the path of the script where the shell would not find this installation's, and as
    a module of the interpreter where there is no script. Arguments are quoted where they need it.
    """
    interpreter = Path(python or python_executable(platform=platform))
    script = interpreter.with_name("selva.exe" if platform == "win32" else "selva")
    found = shutil.which("selva")
    if found is not None and script.is_file() and _is_same(Path(found), script):
        words = ["selva"]
    elif script.is_file():
        words = [str(script)]
    else:
        words = [str(interpreter), "-m", "selva_cli"]
    return quote_command(*words, *arguments, platform=platform)


def pip_install_command(*packages: str, python: str | None = None, platform: str = sys.platform) -> str:
    """The command that installs packages for this installation's interpreter."""
    interpreter = python or python_executable(platform=platform)
    return quote_command(interpreter, "-m", "pip", "install", *packages, platform=platform)


def reinstall_command() -> str:
    """The command that installs this package once more, from its source where it was installed from there: it is on no index."""
    source = Path(__file__).resolve().parents[2]
    if (source / "pyproject.toml").is_file():
        return pip_install_command("-e", str(source))
    return pip_install_command("--force-reinstall", "selva_bridge.whl")


def quote_command(*words: str, platform: str = sys.platform) -> str:
    """Words as one line for a POSIX shell, or for the command prompt of Windows, which knows double quotes only."""
    if platform != "win32":
        return shlex.join(words)
    return " ".join(word if _SAFE_ON_WINDOWS.fullmatch(word) else f'"{word}"' for word in words)


def _is_same(first: Path, second: Path) -> bool:
    """Also through links, as pipx and package managers make them."""
    try:
        return os.path.samefile(first, second)
    except OSError:
        return False
