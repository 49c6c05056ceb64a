"""Where the product comes from: a folder of wheels, the wheels beside this installer, or the checkout it lies in."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from environment import SetupError

WHEEL = re.compile(r"selva_bridge-(\d[^-]*)-py3-none-any\.whl")
MANIFEST = "bundle.json"
PRODUCT_FOLDERS = ("selva_core", "daemon", "otio_adapters", "plugins")
PRODUCT_FILES = ("pyproject.toml", "constraints.txt", "hatch_build.py")


class Source:
    """requirement: what pip is given, without extras. wheels: a folder to install everything from, without a network."""

    def __init__(
        self, *, requirement: str, version: str, digest: str, wheels: Path | None = None,
        constraints: Path | None = None, manifest: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.requirement = requirement
        self.version = version
        self.digest = digest
        self.wheels = wheels
        self.constraints = constraints
        self.manifest = manifest or {}

    def describe(self) -> str:
        return f"the wheels in {self.wheels}, without a network" if self.wheels else self.requirement


def find_source(offline: Path | None, tree: Path) -> Source:
    """offline: the folder of wheels that was named. tree: the folder above the installer. Raises SetupError."""
    if offline is not None:
        return load_wheels(offline)
    if (tree / "wheels").is_dir():
        return load_wheels(tree / "wheels")
    if (tree / "pyproject.toml").is_file():
        return _load_checkout(tree)
    raise SetupError(
        f"there is nothing to install beside {tree}; name a folder of wheels with --offline, or run installer/install.py of a "
        "checkout or of an unpacked bundle"
    )


def load_wheels(folder: Path) -> Source:
    """The newest wheel of the product in a folder that holds what it needs as well. Raises SetupError."""
    if not folder.is_dir():
        raise SetupError(
            f"there is no folder {folder}; name the folder of wheels that installer/bundle.py made"
        )
    inner = folder / "wheels"
    if inner.is_dir() and not any(WHEEL.fullmatch(path.name) for path in folder.iterdir()):
        folder = inner  # the bundle itself was named
    found: list[tuple[list[int], str, Path]] = []
    for path in folder.iterdir():
        match = WHEEL.fullmatch(path.name)
        if match:
            found.append(([int(part) for part in re.findall(r"\d+", match[1])], match[1], path))
    if not found:
        raise SetupError(
            f"{folder} holds no wheel of the product (selva_bridge-….whl); make a bundle: installer/bundle.py"
        )
    _, version, wheel = max(found)
    return Source(
        requirement=f"selva-bridge=={version}",
        version=version,
        digest=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        wheels=folder.resolve(),
        manifest=_load_manifest(folder),
    )


def _load_manifest(folder: Path) -> dict[str, Any]:
    """What bundle.py noted of the wheels; an ordinary folder of wheels has none."""
    for path in (folder / MANIFEST, folder.parent / MANIFEST):
        try:
            content = json.loads(path.read_bytes().decode("utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as exc:
            raise SetupError(
                f"{path} cannot be read: {exc}; make the bundle again: installer/bundle.py"
            ) from exc
        if isinstance(content, dict):
            return content
    return {}


def check_manifest(source: Source, *, platform: str, architecture: str) -> None:
    """A bundle for another system is refused before anything is made. Raises SetupError."""
    wanted = source.manifest.get("platform")
    same_processor = {"amd64": "x86_64", "aarch64": "arm64"}
    got = f"{platform}-{same_processor.get(architecture, architecture)}"
    if wanted and wanted != got:
        raise SetupError(
            f"these wheels are for {wanted}, this is {got}; make a bundle for it: "
            f"python3 installer/bundle.py --platform {got}"
        )


def _load_checkout(tree: Path) -> Source:
    text = (tree / "selva_core" / "__init__.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    constraints = tree / "constraints.txt"
    return Source(
        requirement=str(tree),
        version=version[1] if version else "0",
        digest=_digest_tree(tree),
        constraints=constraints if constraints.is_file() else None,
    )


def _digest_tree(tree: Path) -> str:
    """Of what is installed: a checkout that was updated without a new version is noticed."""
    digest = hashlib.sha256()
    files = [tree / name for name in PRODUCT_FILES]
    for name in PRODUCT_FOLDERS:
        for folder, folders, names in os.walk(tree / name):
            folders[:] = sorted(inner for inner in folders if inner != "__pycache__")
            files += [Path(folder, file) for file in sorted(names)]
    for path in files:
        if path.is_file():
            digest.update(os.fsencode(path.relative_to(tree)))
            digest.update(path.read_bytes())
    return digest.hexdigest()
