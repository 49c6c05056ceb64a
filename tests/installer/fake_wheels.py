"""A folder of tiny wheels that stands for the product and what it needs, so that a whole installation takes seconds.

The imitation of the product has the commands that the installer calls, with the effects that matter to it: a daemon that runs, a
settings file, scripts in a host's folder.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

NEEDED = ("torch", "tokenizers", "av", "soundfile", "soxr", "pyzmq", "opentimelineio")
MODULES = {"pyzmq": "zmq"}

PATHS = """
import os
from dataclasses import dataclass
from pathlib import Path

@dataclass
class AppPaths:
    state: Path
    cache: Path
    config: Path

    @classmethod
    def find(cls):
        home = Path.home()
        return cls(Path(os.environ.get("SELVA_STATE_DIR") or home / "s" / "selva-bridge"), home / "c" / "selva-bridge",
                   home / "f" / "selva-bridge")

    @property
    def settings_file(self):
        return self.config / "config.toml"
"""
CATALOG = """
from pathlib import Path

def default_models_dir():
    return Path.home() / "d" / "selva-bridge" / "models"
"""
CLI = """
import json, os, sys
from pathlib import Path
from selva_core.base.paths import AppPaths

VERSION = "%VERSION%"

def main():
    arguments, paths = sys.argv[1:], AppPaths.find()
    running, scripts = paths.state / "running", Path.home() / ".config" / "REAPER"
    if arguments == ["--version"]:
        print("selva", VERSION)
    elif arguments[:2] == ["daemon", "status"]:
        return 0 if running.exists() else 1
    elif arguments[:2] == ["daemon", "stop"]:
        running.unlink()
    elif arguments[:2] == ["daemon", "start"]:
        running.parent.mkdir(parents=True, exist_ok=True)
        running.write_text(VERSION)
    elif arguments[:2] == ["config", "set"]:
        paths.config.mkdir(parents=True, exist_ok=True)
        before = paths.settings_file.read_text() if paths.settings_file.exists() else ""
        paths.settings_file.write_text(before + f"{arguments[2]} = {json.dumps(arguments[3])}\\n")
    elif arguments[:3] == ["host", "install", "reaper"]:
        (scripts / "Scripts" / "Selva").mkdir(parents=True, exist_ok=True)
        (scripts / "Scripts" / "Selva" / "selva.lua").write_text(f"-- {VERSION}\\n")
        (scripts / "Selva").mkdir(exist_ok=True)
        (scripts / "Selva" / "bridge.json").write_text(json.dumps({"command": sys.executable}))
        with (scripts / "reaper-kb.ini").open("a") as stream:
            stream.write("SCR selva\\n")
        print(json.dumps([{"resource_path": str(scripts), "done": [], "left": ["restart REAPER"]}]))
    elif arguments[:3] == ["host", "remove", "reaper"]:
        (scripts / "Scripts" / "Selva" / "selva.lua").unlink(missing_ok=True)
        print("[]")
    else:
        sys.stderr.write("no such command\\n")
        return 2
    return 0
"""


def write_wheel(
    folder: Path,
    name: str,
    version: str,
    files: dict[str, str],
    *,
    requires: tuple[str, ...] = (),
    extra: str = "",
) -> Path:
    """A wheel whose record fits, so that pip installs it and the installer can check it."""
    distribution = name.replace("-", "_")
    info = f"{distribution}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + extra
    contents = {
        **files,
        f"{info}/METADATA": metadata + "".join(f"Requires-Dist: {other}\n" for other in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for path, text in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text.encode())}\n")
    wheel = folder / f"{distribution}-{version}-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in contents.items():
            archive.writestr(zipfile.ZipInfo(path), text)  # with a fixed time: equal wheels have equal bytes
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), "".join(rows) + f"{info}/RECORD,,\n")
    return wheel


def write_product(folder: Path, version: str, *, main: str = CLI, requires: tuple[str, ...] = NEEDED) -> Path:
    """An imitation of the product."""
    distribution = f"selva_bridge-{version}.dist-info"
    files = {
        "selva_cli/__init__.py": "",
        "selva_cli/app.py": "",
        "selva_cli/__main__.py": "import sys\nfrom selva_cli.main import main\nsys.exit(main())\n",
        "selva_cli/main.py": main.replace("%VERSION%", version),
        "selva_core/__init__.py": "",
        "selva_core/base/__init__.py": "",
        "selva_core/base/paths.py": PATHS,
        "selva_core/models/__init__.py": "",
        "selva_core/models/catalog.py": CATALOG,
        f"{distribution}/entry_points.txt": "[console_scripts]\nselva = selva_cli.main:main\n",
    }
    extra = "Provides-Extra: plot\nProvides-Extra: formats\n"
    return write_wheel(folder, "selva-bridge", version, files, requires=requires, extra=extra)


def write_wheels(folder: Path, version: str = "9.0.0") -> Path:
    """A whole folder; returns it."""
    write_product(folder, version)
    for name in NEEDED:
        write_wheel(folder, name, "1.0", {f"{MODULES.get(name, name)}/__init__.py": f"NAME = {name!r}\n"})
    return folder
