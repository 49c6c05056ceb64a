"""The provenance in a stem's file, read back; light, because clients read it too."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from selva_core.audio.wav import Chunk, iter_text_chunks
from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError
from selva_core.base.regular_file import open_regular

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


def read_provenance(path: Path) -> dict[str, str] | None:
    """The provenance that `write_stem` stored; None for a WAV file that is not a stem of Selva Bridge.

    Raises MediaNotFoundError, and MediaUnreadableError when it is no WAV file.
    """
    try:
        with open_regular(path) as file:
            return find_provenance(iter_text_chunks(file))
    except FileNotFoundError as exc:
        raise MediaNotFoundError(f"there is no file {path}", path=str(path)) from exc
    except (OSError, ValueError) as exc:
        raise MediaUnreadableError(
            f"{path.name} cannot be read as a WAV file: {exc}", path=str(path)
        ) from exc
