"""What a stem says about itself: the same facts in bext, iXML and LIST/INFO, because programs read different ones.

docs/wav.md lists every field. iXML: specification 3.01 of ixml.info; digital source types: IPTC NewsCodes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

from selva_core import __version__
from selva_core.riff import BroadcastExtension, Chunk, build_info_chunk

SOFTWARE = "Selva Bridge"
PROVENANCE_SCHEMA = "selva.stem/1"
DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True)
class StemTags:
    """The facts of one stem.

    provenance: kept whole; its keys project, track, cue, take, prompt, model and licence also fill fields of
    their own. time_reference_samples: samples since midnight at the first sample. created: YYYY-MM-DD.
    """

    provenance: Mapping[str, str]
    sample_rate_hz: int
    time_reference_samples: int | None = None
    created: str = ""

    def chunks_before_sound(self) -> list[Chunk]:
        """bext: some programs look for it before the sound only."""
        made_by = self._fact("model", "model")
        extension = BroadcastExtension(
            description=self._fact("prompt", "prompt") or SOFTWARE,
            originator=SOFTWARE,
            originator_reference=self.provenance.get("cue", ""),
            origination_date=self.created,
            time_reference_samples=self.time_reference_samples or 0,
            coding_history=f"A=PCM,F={self.sample_rate_hz},W=24,M=mono,T={SOFTWARE} {__version__}"
            f"{'; ' + made_by if made_by else ''}; AI generated\r\n",
        )
        return [extension.to_chunk()]

    def chunks_after_sound(self) -> list[Chunk]:
        """iXML, then LIST/INFO."""
        info = {
            "INAM": self.provenance.get("track", ""),
            "ICMT": f"AI generated ({DIGITAL_SOURCE_TYPE}). {self._note()}",
            "ICOP": self.provenance.get("licence", ""),
            "ISFT": f"{SOFTWARE} {__version__}",
            "ICRD": self.created,
        }
        return [Chunk(b"iXML", self._ixml()), build_info_chunk(info)]

    def _ixml(self) -> bytes:
        root = ElementTree.Element("BWFXML")
        _add(root, "IXML_VERSION", "3.01")
        _add(root, "PROJECT", self.provenance.get("project", ""))
        _add(root, "TAKE", self.provenance.get("take", ""))
        _add(root, "NOTE", self._note())
        if self.time_reference_samples is not None:
            speed = ElementTree.SubElement(root, "SPEED")
            _add(speed, "FILE_SAMPLE_RATE", str(self.sample_rate_hz))
            _add(speed, "AUDIO_BIT_DEPTH", "24")
            _add(speed, "TIMESTAMP_SAMPLE_RATE", str(self.sample_rate_hz))
            _add(speed, "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI", str(self.time_reference_samples >> 32))
            _add(speed, "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO", str(self.time_reference_samples & 0xFFFFFFFF))
        tracks = ElementTree.SubElement(root, "TRACK_LIST")
        _add(tracks, "TRACK_COUNT", "1")
        track = ElementTree.SubElement(tracks, "TRACK")
        _add(track, "CHANNEL_INDEX", "1")
        _add(track, "INTERLEAVE_INDEX", "1")
        _add(track, "NAME", self.provenance.get("track", ""))
        _add(root, "USER", self._as_json())
        text = ElementTree.tostring(root, encoding="unicode")
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()

    def _as_json(self) -> str:
        everything = {
            "schema": PROVENANCE_SCHEMA,
            "software": f"{SOFTWARE} {__version__}",
            "digital_source_type": DIGITAL_SOURCE_TYPE,
            "provenance": dict(self.provenance),
        }
        return json.dumps(everything, ensure_ascii=False, sort_keys=True)

    def _note(self) -> str:
        said = (
            self._fact("prompt", "prompt"),
            self._fact("model", "model"),
            self._fact("licence", "licence"),
        )
        return ". ".join(part for part in said if part)

    def _fact(self, key: str, label: str) -> str:
        value = self.provenance.get(key, "")
        return f"{label}: {value}" if value else ""


def find_provenance(chunks: Iterable[Chunk]) -> dict[str, str] | None:
    """The provenance that a stem's chunks carry; None where they are no stem's."""
    for chunk in chunks:
        if chunk.chunk_id == b"iXML":
            return _provenance_in(chunk.payload)
    return None


def _provenance_in(ixml: bytes) -> dict[str, str] | None:
    if b"<!" in ixml:  # a document type could define entities; ours has none
        return None
    try:
        told = json.loads(ElementTree.fromstring(ixml).findtext("USER") or "null")  # noqa: S314 - no entities
    except (ElementTree.ParseError, ValueError):
        return None
    if not isinstance(told, dict) or told.get("schema") != PROVENANCE_SCHEMA:
        return None
    facts = told.get("provenance")
    return {str(key): str(value) for key, value in facts.items()} if isinstance(facts, dict) else None


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    """A child with that text, without the characters XML cannot hold."""
    ElementTree.SubElement(parent, name).text = _NOT_XML.sub("", text)
