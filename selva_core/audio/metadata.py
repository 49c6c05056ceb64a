"""A stem's metadata: the same values in bext, iXML and LIST/INFO, because programs read different ones.

docs/formats/wav.md lists every field. iXML: specification 3.01 of ixml.info; digital source types: IPTC NewsCodes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from selva_core import __version__
from selva_core.audio.loudness import Loudness
from selva_core.audio.provenance import PROVENANCE_SCHEMA
from selva_core.audio.wav import BroadcastExtension, Chunk, build_info_chunk, build_label_chunks, to_ascii
from selva_core.base.media import Label

SOFTWARE = "Selva Bridge"
DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

BEXT_DESCRIPTION_CHARS = 256

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True)
class StemTags:
    """The metadata of one stem.

    provenance: stored whole; its keys project (else timeline), scene (else source_name), track, cue, take, prompt, model
    and licence also fill fields of their own; with a time reference, so do frame_rate (as 24000/1001), drop_frame (yes or
    no) and file_start_timecode. time_reference_samples: samples since midnight at the first sample. created: YYYY-MM-DD.
    """

    provenance: Mapping[str, str]
    sample_rate_hz: int
    num_channels: int = 1
    time_reference_samples: int | None = None
    created: str = ""
    labels: Sequence[Label] = ()

    def chunks_before_audio(self, loudness: Loudness | None = None) -> list[Chunk]:
        """bext, which some programs find only before the audio. Its size does not depend on the loudness."""
        model = self._labelled("model")
        extension = BroadcastExtension(
            description=self._description(),
            originator=SOFTWARE,
            originator_reference=self.provenance.get("cue", ""),
            origination_date=self.created,
            time_reference_samples=self.time_reference_samples or 0,
            coding_history=f"A=PCM,F={self.sample_rate_hz},W=24,M={'mono' if self.num_channels == 1 else 'stereo'}"
            f",T={SOFTWARE} {__version__}"
            f"{'; ' + model if model else ''}; AI generated\r\n",
            loudness=_in_bext_order(loudness or Loudness()),
        )
        return [extension.to_chunk()]

    def chunks_after_audio(self) -> list[Chunk]:
        """iXML, then labels, then LIST/INFO."""
        info = {
            "INAM": self.provenance.get("track", ""),
            "ICMT": f"AI generated ({DIGITAL_SOURCE_TYPE}). {self._note()}",
            "ICOP": self.provenance.get("licence", ""),
            "ISFT": f"{SOFTWARE} {__version__}",
            "ICRD": self.created,
        }
        return [Chunk(b"iXML", self._ixml()), *build_label_chunks(self.labels), build_info_chunk(info)]

    def _ixml(self) -> bytes:
        root = ElementTree.Element("BWFXML")
        _add(root, "IXML_VERSION", "3.01")
        _add(root, "PROJECT", self.provenance.get("project") or self.provenance.get("timeline", ""))
        _add(root, "SCENE", self.provenance.get("scene") or self.provenance.get("source_name", ""))
        _add(root, "TAKE", self.provenance.get("take", ""))
        _add(root, "NOTE", self._note())
        _add(root, "FILE_UID", self._file_uid())
        if self.time_reference_samples is not None:
            self._add_speed(root, self.time_reference_samples)
        tracks = ElementTree.SubElement(root, "TRACK_LIST")
        _add(tracks, "TRACK_COUNT", str(self.num_channels))
        for number, side in enumerate(("",) if self.num_channels == 1 else (" L", " R"), start=1):
            track = ElementTree.SubElement(tracks, "TRACK")
            _add(track, "CHANNEL_INDEX", str(number))
            _add(track, "INTERLEAVE_INDEX", str(number))
            _add(track, "NAME", self.provenance.get("track", "") + side)
        _add(root, "USER", self._as_json())
        text = ElementTree.tostring(root, encoding="unicode")
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()

    def _add_speed(self, root: ElementTree.Element, time_reference_samples: int) -> None:
        """SPEED: frame rate and samples since midnight, so that no program has to guess one from the other."""
        speed = ElementTree.SubElement(root, "SPEED")
        rate = self.provenance.get("frame_rate")
        if rate:
            exact = rate if "/" in rate else f"{rate}/1"
            for name in ("MASTER_SPEED", "CURRENT_SPEED", "TIMECODE_RATE"):
                _add(speed, name, exact)
            _add(speed, "TIMECODE_FLAG", self._timecode_flag())
        _add(speed, "FILE_SAMPLE_RATE", str(self.sample_rate_hz))
        _add(speed, "AUDIO_BIT_DEPTH", "24")
        _add(speed, "DIGITIZER_SAMPLE_RATE", str(self.sample_rate_hz))
        _add(speed, "TIMESTAMP_SAMPLE_RATE", str(self.sample_rate_hz))
        _add(speed, "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI", str(time_reference_samples >> 32))
        _add(speed, "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO", str(time_reference_samples & 0xFFFFFFFF))

    def _timecode_flag(self) -> str:
        return "DF" if self.provenance.get("drop_frame") == "yes" else "NDF"

    def _description(self) -> str:
        """The prompt, and the timecode at which the file begins, for programs that show nothing else."""
        prompt = to_ascii(self._labelled("prompt") or SOFTWARE)
        starts_at = self.provenance.get("file_start_timecode")
        if self.time_reference_samples is None or not starts_at:
            return prompt
        where = f"; starts at {starts_at}, {self.provenance.get('frame_rate', '')} {self._timecode_flag()}"
        return prompt[: BEXT_DESCRIPTION_CHARS - len(where)] + where

    def _file_uid(self) -> str:
        """32 hex digits over everything that tells this file from others; the same stem has the same ones."""
        identity = f"{self._as_json()} {self.sample_rate_hz} {self.time_reference_samples}"
        return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def _as_json(self) -> str:
        everything = {
            "schema": PROVENANCE_SCHEMA,
            "software": f"{SOFTWARE} {__version__}",
            "digital_source_type": DIGITAL_SOURCE_TYPE,
            "provenance": dict(self.provenance),
        }
        return json.dumps(everything, ensure_ascii=False, sort_keys=True)

    def _note(self) -> str:
        parts = (
            self._labelled("prompt"),
            self._labelled("model"),
            self._labelled("licence"),
        )
        return ". ".join(part for part in parts if part)

    def _labelled(self, key: str) -> str:
        value = self.provenance.get(key, "")
        return f"{key}: {value}" if value else ""


def _in_bext_order(loudness: Loudness) -> tuple[float | None, ...]:
    return (
        loudness.integrated_lufs,
        loudness.range_lu,
        loudness.max_true_peak_dbtp,
        loudness.max_momentary_lufs,
        loudness.max_short_term_lufs,
    )


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    """Add a child element with that text, without the characters that XML cannot hold."""
    ElementTree.SubElement(parent, name).text = _NOT_XML.sub("", text)
