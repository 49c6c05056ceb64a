"""Commands that are printed as advice, written so that they work where they are read.

`selva` alone works only where the scripts of this installation are on the PATH, and `pip` alone may be that of another Python.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from selva_core.base.child_process import python_executable

_SAFE_ON_WINDOWS = re.compile(r"[\w+=:./\\~-]+")
_DISTRIBUTION = "selva-bridge"
_HEAVY = re.compile(r"(torch|tokenizers|safetensors|av|numpy|soxr)\b")
"""What models run on: where one of these does not load, the others may not fit it."""


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
    from importlib import metadata  # noqa: PLC0415 - takes 30 ms to load, for advice that is seldom given

    try:
        distribution = metadata.distribution(_DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return quote_command(python_executable(), "-m", "pip", "check")
    return _reinstall_installed(distribution.read_text("direct_url.json"), distribution.requires or ())


def _reinstall_installed(direct_url: str | None, requirements: Sequence[str]) -> str:
    """From the file or address that pip remembers (PEP 610), else the libraries that this package asks an index for."""
    from urllib.parse import urlsplit  # noqa: PLC0415 - as above
    from urllib.request import url2pathname  # noqa: PLC0415

    url = str(json.loads(direct_url).get("url", "")) if direct_url else ""
    is_file = url.startswith("file:")
    path = Path(url2pathname(urlsplit(url).path)) if is_file else None
    if url and (path is None or path.exists()):
        return pip_install_command("--force-reinstall", url if path is None else str(path))
    needed = (line.partition(";") for line in requirements)
    libraries = [name.strip() for name, _, marker in needed if "extra" not in marker and _HEAVY.match(name)]
    return pip_install_command("--upgrade", "--force-reinstall", *libraries)


def quote_command(*words: str, platform: str = sys.platform) -> str:
    """Words as one line for a POSIX shell, or for both shells of Windows: the command prompt and PowerShell.

    Both know double quotes. But PowerShell takes a quoted first word for a text that it prints, and what it wants in front (`&`)
    is an error in the command prompt; `cmd /c call` runs a quoted program from either.
    """
    if platform != "win32":
        return shlex.join(words)
    quoted = [word if _SAFE_ON_WINDOWS.fullmatch(word) else f'"{word}"' for word in words]
    return " ".join(["cmd /c call", *quoted] if quoted[0].startswith('"') else quoted)


def _is_same(first: Path, second: Path) -> bool:
    """Also through links, as pipx and package managers make them."""
    try:
        return os.path.samefile(first, second)
    except OSError:
        return False
