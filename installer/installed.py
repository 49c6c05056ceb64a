"""Try Selva Bridge as it was installed with this Python, away from the tree: python TREE/installer/installed.py --out made

Checks that nothing is taken from the tree, that host scripts, adapters and weights came along, and renders the example cut.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from demo import run_demo
from environment import SetupError

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "selva_core",
    "selva_otio",
    "selva_daemon",
    "selva_render",
    "selva_cli",
    "selva_plugins",
    "selva_panel",
)
LOOK = """
import importlib, importlib.util, json, sys
import opentimelineio
found = {name: importlib.import_module(name).__file__ for name in json.loads(sys.argv[1])}
print(json.dumps({
    "files": found,
    "training": importlib.util.find_spec("selva_core.training") is not None,
    "suffixes": sorted(opentimelineio.adapters.suffixes_with_defined_adapters()),
}))
"""


def installation_faults(root: Path, found: dict[str, object]) -> list[str]:
    """What is wrong with an installation, by what a fresh interpreter says of it."""
    files = found["files"]
    assert isinstance(files, dict)
    faults = [
        f"{package} is imported from the tree: {file}"
        for package, file in files.items()
        if Path(file).resolve().is_relative_to(root)
    ]
    if found["training"]:
        faults.append("selva_core.training was installed; it belongs to a checkout")
    suffixes = found["suffixes"]
    assert isinstance(suffixes, list)
    missing = {"selva", "selvaz", "rpp"} - set(suffixes)
    return faults + [f"OpenTimelineIO does not read .{suffix}" for suffix in sorted(missing)]


def try_installation(root: Path, selva: Path, out: Path) -> int:
    """Look at the installation, install host scripts into folders under `out`, render; returns the exit status.

    Raises SetupError with what is wrong.
    """
    out.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-I", "-c", LOOK, json.dumps(PACKAGES)],
        cwd=out,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SetupError(f"the packages cannot be imported:\n{done.stderr}".rstrip())
    faults = installation_faults(root, json.loads(done.stdout))
    if faults:
        raise SetupError("\n".join(faults))
    folders = {"reaper": out / "reaper", "resolve": out / "resolve" / "Fusion"}
    # What the command knows the folders of the hosts by.
    (folders["resolve"] / "Scripts").mkdir(parents=True, exist_ok=True)
    folders["reaper"].mkdir(exist_ok=True)
    (folders["reaper"] / "reaper.ini").touch()
    for host, folder in folders.items():
        subprocess.run([str(selva), "host", "install", host, "--resource-path", str(folder)], check=True)
    try:
        return run_demo(root, selva, out)
    finally:
        subprocess.run([str(selva), "daemon", "stop"], check=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and try; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="a folder outside the tree for what is made")
    options = parser.parse_args(argv)
    selva = Path(sysconfig.get_path("scripts")) / "selva"
    try:
        return try_installation(ROOT, selva, options.out.resolve())
    except (SetupError, subprocess.CalledProcessError) as error:
        print(f"\nFAILED: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
