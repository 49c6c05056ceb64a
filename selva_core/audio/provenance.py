"""The provenance in a stem's file, read back; light, because clients read it too."""

from __future__ import annotations

import json
from collections.abc import Iterable
from xml.etree import ElementTree

from selva_core.audio.wav import Chunk

PROVENANCE_SCHEMA = "selva.stem/1"


def find_provenance(chunks: Iterable[Chunk]) -> dict[str, str] | None:
    """The provenance in the chunks of a stem; None for chunks of other files."""
    for chunk in chunks:
        if chunk.chunk_id == b"iXML":
            return _provenance_in(chunk.payload)
    return None


def _provenance_in(ixml: bytes) -> dict[str, str] | None:
    if b"<!" in ixml:  # a document type could define entities without end; ours has none
        return None
    try:
        user = json.loads(ElementTree.fromstring(ixml).findtext("USER") or "null")  # noqa: S314 - no entities
    except (ElementTree.ParseError, ValueError):
        return None
    if not isinstance(user, dict) or user.get("schema") != PROVENANCE_SCHEMA:
        return None
    provenance = user.get("provenance")
    return (
        {str(key): str(value) for key, value in provenance.items()} if isinstance(provenance, dict) else None
    )
