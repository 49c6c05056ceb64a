"""The index that ReaPack reads: which files the package has, and where they are downloaded from.

    python -m selva_plugins.hosts.reaper.package INDEX_FILE [--url BASE_URL]

BASE_URL is where the folder plugins/reaper/Selva of a tagged release can be downloaded; without it the files are taken from
this very installation (file://...), which ReaPack accepts too. Everything else comes from the header of the package script.
Format: https://github.com/cfillion/reapack/wiki, index version 1.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree as ET

from selva_plugins.hosts.reaper.action_list import PACKAGE_SCRIPT
from selva_plugins.hosts.reaper.install import find_script_source

REPOSITORY_NAME = "Selva Bridge"
CATEGORY = "Selva"

_TAG = re.compile(r"-- @(?P<name>\w+)(?: (?P<value>.*))?")
_URL = re.compile(r"(?:https?|file)://(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[A-Fa-f0-9]{2})+")


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


def build_index(base_url: str, *, released: datetime, folder: Path | None = None) -> str:
    """The text of an index. Raises ValueError for what ReaPack cannot download from."""
    if _URL.fullmatch(base_url) is None:
        raise ValueError(
            f"an address reads https://..., http://... or file://..., with %20 for a blank; got {base_url!r}"
        )
    folder = folder or find_script_source()
    header = read_header(folder / PACKAGE_SCRIPT)
    index = ET.Element("index", version="1", name=REPOSITORY_NAME)
    category = ET.SubElement(index, "category", name=CATEGORY)
    package = ET.SubElement(
        category, "reapack", name=PACKAGE_SCRIPT, type="script", desc=header["description"]
    )
    time = released.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    version = ET.SubElement(package, "version", name=header["version"], author=header["author"], time=time)
    ET.SubElement(version, "changelog").text = header["changelog"]
    for name, is_main in iter_provided(folder, header["provides"]):
        source = ET.SubElement(version, "source", file=name)
        if is_main:
            source.set("main", "main")
        source.text = f"{base_url.rstrip('/')}/{quote(name)}"
    about = ET.SubElement(ET.SubElement(package, "metadata"), "description")
    about.text = build_rtf(header["about"])
    ET.indent(index)
    return ET.tostring(index, encoding="unicode", xml_declaration=True) + "\n"


def build_rtf(markdown: str) -> str:
    """Headings and paragraphs as ReaPack shows them; code marks are left out."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", markdown):
        text = re.sub(r"\s+", " ", paragraph).strip().replace("`", "")
        is_heading = text.startswith("#")
        plain = re.sub(r"[\\{}]", lambda match: "\\" + match[0], text.lstrip("# "))
        spelled = "".join(char if char.isascii() else f"\\u{ord(char)}?" for char in plain)
        paragraphs.append(f"{{\\b {spelled}}}\\par" if is_heading else f"{spelled}\\par")
    return "{\\rtf1\\ansi " + "\n".join(paragraphs) + "}"


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Write the index that ReaPack imports.")
    parser.add_argument("index", type=Path, metavar="INDEX_FILE")
    parser.add_argument(
        "--url", metavar="BASE_URL", help="where plugins/reaper/Selva of a release can be downloaded"
    )
    chosen = parser.parse_args(arguments)
    try:
        text = build_index(
            chosen.url or find_script_source().as_uri(), released=datetime.now(tz=timezone.utc)
        )
    except ValueError as error:
        parser.error(str(error))
    chosen.index.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
