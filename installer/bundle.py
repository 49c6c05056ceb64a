"""Gather a folder from which Selva Bridge is installed without a network: the installer, and every wheel that it needs.

    python3 installer/bundle.py -o selva-bundle                            for machines like this one
    python3 installer/bundle.py -o selva-bundle --platform win32-x86_64    for others
    python3 selva-bundle/install.py                                        on the machine without a network

Standard library only. Needs pip, and a network or a configured mirror.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from environment import SetupError, cause_of_failure, find_base_python
from foundation import isolation
from foundation.choices import DEFAULT_EXTRAS, EXTRAS
from foundation.source import MANIFEST, WHEEL
from steps.prefix import installer_files

ROOT = Path(__file__).resolve().parent.parent
PLATFORM_TAGS = {
    "linux-x86_64": (
        "manylinux_2_28_x86_64",
        "manylinux_2_17_x86_64",
        "manylinux2014_x86_64",
        "linux_x86_64",
    ),
    "linux-arm64": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
    "darwin-arm64": (
        "macosx_14_0_arm64",
        "macosx_11_0_arm64",
        "macosx_14_0_universal2",
        "macosx_11_0_universal2",
    ),
    "win32-x86_64": ("win_amd64",),
}
"""System and processor: the tags of wheels that run there, the best first."""


def this_platform() -> str:
    """As the installer calls the machine it runs on."""
    processor = platform.machine().lower()
    return f"{sys.platform}-{ {'amd64': 'x86_64', 'aarch64': 'arm64'}.get(processor, processor) }"


def download_arguments(
    *, target: Path, requirement: str, options: Sequence[str], platform_name: str, python: str | None
) -> list[str]:
    """Arguments after `python -m pip` that fetch what is needed. python: the version to fetch for, as 3.12; None for the one
    that runs."""
    arguments = ["download", "--dest", str(target), "--find-links", str(target), *options]
    if platform_name != this_platform() or python:
        arguments += ["--only-binary", ":all:"]
        for tag in PLATFORM_TAGS[platform_name]:
            arguments += ["--platform", tag]
        if python:
            arguments += ["--python-version", python, "--implementation", "cp"]
    return [*arguments, requirement, "pip"]


def gather(options: argparse.Namespace) -> Path:
    """Make the folder; returns it. Raises SetupError with the cause in one line."""
    target: Path = options.out.absolute()
    wheels = target / "wheels"
    if target.exists() and any(target.iterdir()) and not (target / MANIFEST).is_file():
        raise SetupError(f"{target} is not empty and no bundle; name a new folder with -o")
    wheels.mkdir(parents=True, exist_ok=True)
    python = find_base_python()
    for path in wheels.glob("selva_bridge-*.whl"):
        path.unlink()
    print("Building the wheel of this checkout", flush=True)
    _pip(python, ["wheel", "--no-deps", "--wheel-dir", str(wheels), str(ROOT)])
    (product,) = (path for path in wheels.iterdir() if WHEEL.fullmatch(path.name))
    extras = f"[{','.join(options.extras)}]" if options.extras else ""
    version = WHEEL.fullmatch(product.name)
    assert version is not None, "it was looked for by this pattern"
    given = ["--constraint", str(options.constraints)] if options.constraints else []
    for name in ("index_url", "extra_index_url"):
        if getattr(options, name):
            given += [f"--{name.replace('_', '-')}", getattr(options, name)]
    print(f"Fetching what it needs, for {options.platform} (torch is large)", flush=True)
    arguments = download_arguments(
        target=wheels, requirement=f"selva-bridge{extras}=={version[1]}", options=given,
        platform_name=options.platform, python=options.python_version,
    )  # fmt: skip
    _pip(python, arguments)
    write_installer(target)
    manifest = {
        "platform": options.platform,
        "python": options.python_version or _version_of(python),
        "extras": list(options.extras),
        "version": version[1],
    }
    (target / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return target


def write_installer(target: Path) -> None:
    """The installer, in the folder itself: `install.py` finds the wheels beside it."""
    folder = ROOT / "installer"
    for path in installer_files(folder):
        copy = target / "installer" / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    start = "import os, runpy\nhere = os.path.dirname(os.path.abspath(__file__))\n"
    start += "runpy.run_path(os.path.join(here, 'installer', 'install.py'), run_name='__main__')\n"
    (target / "install.py").write_text(start, encoding="ascii")


def _version_of(python: str) -> str:
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", question], capture_output=True, text=True, check=True).stdout.strip()


def _pip(python: str, arguments: Sequence[str]) -> None:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_PROGRESS_BAR": "off"}
    for name in (
        "PYTHONHOME",
        "PYTHONPATH",
        "PIP_TARGET",
        "PIP_USER",
        "PIP_PREFIX",
        "PIP_REQUIRE_VIRTUALENV",
    ):
        environment.pop(name, None)
    done = subprocess.run(
        [python, "-m", "pip", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=environment,
        check=False,
    )
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if re.search("error", line, re.IGNORECASE)]
        cause = cause_of_failure(done.stdout.splitlines(keepends=True))
        raise SetupError(cause or (lines or done.stdout.splitlines() or ["pip failed"])[-1])


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="the folder to make")
    parser.add_argument(
        "--platform", choices=sorted(PLATFORM_TAGS), default=this_platform(), help="whose wheels"
    )
    parser.add_argument(
        "--python-version", metavar="3.N", help="whose wheels (default: of the Python that runs)"
    )
    parser.add_argument(
        "--extras", type=_extras, default=list(DEFAULT_EXTRAS), help=f"of {', '.join(EXTRAS)}; none"
    )
    parser.add_argument("--constraints", type=Path, default=ROOT / "constraints.txt", help="versions to take")
    parser.add_argument("--index-url", metavar="URL", help="the package index, instead of the configured one")
    parser.add_argument("--extra-index-url", metavar="URL", help="one more, as for a build of torch")
    return parser


def _extras(text: str) -> list[str]:
    names = [] if text == "none" else text.split(",")
    if any(name not in EXTRAS for name in names):
        raise argparse.ArgumentTypeError(f"extras are {', '.join(EXTRAS)}, or none")
    return names


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and gather; returns the exit status."""
    options = build_parser().parse_args(argv)
    try:
        isolation.check_variables(os.environ)
        target = gather(options)
    except (SetupError, OSError) as error:
        print(f"FAILED: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in (target / "wheels").iterdir())
    print(f"\n{target}: {size / 1e9:.1f} GB. Copy it to the other machine, and there run: python3 install.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
