"""ReaPack as far as our package needs it: reads an index by its rules (index version 1) and puts the files where it would."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

_NAME = re.compile(r'[^*\\:<>?/|"\x00-\x1f]{4,24}')
_URL = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[A-Fa-f0-9]{2})+")
_VERSION = re.compile(r"[0-9].*")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_SECTIONS = ("main", "midi_editor", "midi_inline_editor")


@dataclass(frozen=True, kw_only=True)
class PackageFile:
    """One file of a package: where it comes from, where it goes below the resource path, and whether it is an action."""

    url: str
    target: str
    is_action: bool


def read_index(text: str) -> list[PackageFile]:
    """Raises AssertionError for what ReaPack refuses or silently leaves out."""
    index = ET.fromstring(text)  # noqa: S314 - our own text
    assert (index.tag, index.get("version")) == ("index", "1")
    repository = index.get("name", "")
    assert _NAME.fullmatch(repository), repository
    assert not repository.startswith((".", " "))
    assert not repository.endswith((".", " "))
    files = []
    for category in index.findall("category"):
        assert category.get("name"), "empty category name"
        for package in category.findall("reapack"):
            assert (package.get("type"), bool(package.get("name"))) == ("script", True)
            for version in package.findall("version"):
                assert _VERSION.fullmatch(version.get("name", ""))
                assert _TIME.fullmatch(version.get("time", ""))
                folder = f"Scripts/{repository}/{category.get('name')}"
                files += [_read_source(source, folder) for source in version.findall("source")]
    assert files, "a version without sources is left out"
    assert len({file.target for file in files}) == len(files), (
        "of two files with one target the second is left out"
    )
    return files


def _read_source(source: ET.Element, folder: str) -> PackageFile:
    url, name = source.text or "", source.get("file", "")
    assert _URL.fullmatch(url), url
    assert ".." not in name.split("/")
    sections = source.get("main", "").split()
    assert set(sections) <= set(_SECTIONS)
    return PackageFile(url=url, target=f"{folder}/{name}", is_action=bool(sections))


def install_from_disk(text: str, resource_path: Path) -> list[Path]:
    """Install what an index of file:// addresses names; returns the actions."""
    actions = []
    for file in read_index(text):
        source = urlsplit(file.url)
        assert source.scheme == "file"
        target = resource_path / file.target
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(Path(unquote(source.path)).read_bytes())
        if file.is_action:
            actions.append(target)
    return actions
