"""The index that ReaPack reads: which files the package has, and where they are downloaded from.

    python -m selva_plugins.hosts.reaper_package BASE_URL > plugins/reaper/index.xml

BASE_URL is where the folder plugins/reaper of the tagged release can be downloaded. All facts come from the header of the
package script; a release runs this once, after the version was raised.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree as ET

from selva_plugins.hosts.reaper_install import PACKAGE_SCRIPT, find_script_source

REPOSITORY_NAME = "Selva Bridge"
CATEGORY = "Selva"
PLACEHOLDER_URL = "URL-OF-THIS-REPOSITORY/raw/main/plugins/reaper"

_TAG = re.compile(r"-- @(?P<name>\w+)(?: (?P<value>.*))?")


def read_header(script: Path) -> dict[str, str]:
    """The tags of a package script's header; further lines of a tag are joined to it."""
    tags: dict[str, str] = {}
    name = ""
    for line in script.read_text(encoding="utf-8").splitlines():
        if not line.startswith("--"):
            break
        match = _TAG.fullmatch(line)
        if match is not None:
            name = match["name"]
            tags[name] = (match["value"] or "").strip()
        else:
            tags[name] += "\n" + line.removeprefix("--").strip()
    return {name: value.strip() for name, value in tags.items()}


def iter_provided(folder: Path, provides: str) -> Iterator[tuple[str, bool]]:
    """Each file of the package, and whether it is an action of the main section."""
    for line in provides.splitlines():
        match = re.fullmatch(r"\[(main|nomain)\] (.+)", line.strip())
        if match is None:
            raise ValueError(f"a line of @provides reads [main] FILE or [nomain] FILE; got {line!r}")
        pattern = PACKAGE_SCRIPT if match[2] == "." else match[2]
        names = sorted(path.relative_to(folder).as_posix() for path in folder.glob(pattern))
        if not names:
            raise ValueError(f"@provides names {pattern!r}, and there is no such file in {folder}")
        yield from ((name, match[1] == "main") for name in names)


def build_index(base_url: str, folder: Path | None = None) -> str:
    """The text of index.xml (format 1)."""
    folder = folder or find_script_source()
    header = read_header(folder / PACKAGE_SCRIPT)
    index = ET.Element("index", version="1", name=REPOSITORY_NAME)
    category = ET.SubElement(index, "category", name=CATEGORY)
    package = ET.SubElement(
        category, "reapack", name=PACKAGE_SCRIPT, type="script", desc=header["description"]
    )
    version = ET.SubElement(package, "version", name=header["version"], author=header["author"])
    ET.SubElement(version, "changelog").text = header["changelog"]
    for name, is_main in iter_provided(folder, header["provides"]):
        source = ET.SubElement(version, "source", file=name)
        if is_main:
            source.set("main", "main")
        source.text = f"{base_url.rstrip('/')}/{quote(f'{CATEGORY}/{name}')}"
    ET.indent(index)
    return ET.tostring(index, encoding="unicode", xml_declaration=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(build_index(sys.argv[1] if len(sys.argv) > 1 else PLACEHOLDER_URL))
