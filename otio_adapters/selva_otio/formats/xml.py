"""XML timeline files: read within bounds, written whole or not at all.

The bounded reader uses expat directly because no kept library does its work. ElementTree's parser bounds neither the depth nor
the number of elements, and it expands entities that a file defines (with expat before 2.4 without limit, CVE-2013-0340).
defusedxml refuses entities and bounds neither of the two; a tree too deep then overflows the stack of whatever walks it. Here an
entity declaration is refused before anything is expanded, and depth and number are checked at each start tag, so a file cannot
take memory out of proportion to its size, in any encoding that expat reads. No host writes entities of its own.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from xml.parsers import expat

from selva_core.base.atomic_write import staged_file
from selva_otio.errors import TimelineReadError, TimelineWriteError
from selva_otio.formats.otio import load_timeline_bytes

MAX_ELEMENTS = 2_000_000
MAX_DEPTH = 128
_FORBIDDEN = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def load_xml(path: Path, *, root_tag: str, kind: str) -> ET.Element:
    """The root element of a file. kind: the format, for messages. Raises TimelineReadError."""
    root = _parse_bounded(load_timeline_bytes(path), path)
    if root.tag != root_tag:
        raise TimelineReadError(f"{path} is not {kind}: it begins with <{root.tag}>, not with <{root_tag}>")
    return root


def write_xml(root: ET.Element, target: Path, *, doctype: str = "", keeps_layout: bool = False) -> None:
    """Write a file whole or not at all, one element on each line. Raises TimelineWriteError.

    keeps_layout: leave the white space as it is, which may be part of a title's text.
    """
    if not keeps_layout:
        ET.indent(root, space="  ")
    head = '<?xml version="1.0" encoding="UTF-8"?>\n' + (f"<!DOCTYPE {doctype}>\n" if doctype else "")
    with staged_file(target, error=TimelineWriteError) as temporary:
        temporary.write_text(
            head + ET.tostring(root, encoding="unicode") + "\n", encoding="utf-8", newline="\n"
        )


def clean_text(text: str) -> str:
    """The text without the characters that XML 1.0 forbids, even escaped: control characters and lone surrogates."""
    return _FORBIDDEN.sub("", text)


def _parse_bounded(content: bytes, path: Path) -> ET.Element:
    parser = expat.ParserCreate()
    builder = ET.TreeBuilder()
    depth = num_elements = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, num_elements
        depth, num_elements = depth + 1, num_elements + 1
        if depth > MAX_DEPTH:
            raise TimelineReadError(f"{path} is nested too deeply to be read (more than {MAX_DEPTH} levels)")
        if num_elements > MAX_ELEMENTS:
            raise TimelineReadError(
                f"{path} has more than {MAX_ELEMENTS} elements; export a shorter timeline"
            )
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse_entity(*declaration: object) -> None:
        raise TimelineReadError(
            f"{path} defines entities of its own, which a timeline does not need; export it again"
        )

    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse_entity
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # LookupError: an unknown encoding
        if isinstance(error, TimelineReadError):
            raise
        raise TimelineReadError(f"{path} is not well-formed XML: {error}") from error
    return builder.close()
