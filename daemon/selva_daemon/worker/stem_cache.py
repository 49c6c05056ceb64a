"""Waveforms as the model made them, cached under their content keys."""

from __future__ import annotations

import logging
import struct
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec

from selva_core.engine import Evidence, Waveform
from selva_daemon.worker.blob_store import BlobStore

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_log = logging.getLogger(__name__)
_HEADER_LENGTH = struct.Struct("<I")


class EvidenceHeader(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence, its rate as a rational."""

    rate_hz: tuple[int, int]
    presence: tuple[float, ...]
    x: tuple[float, ...]
    y: tuple[float, ...]
    spread: tuple[float, ...]
    rows: int
    columns: int
    heat: bytes
    whole: float
    threshold: float | None

    @classmethod
    def of(cls, evidence: Evidence) -> EvidenceHeader:
        names = (name for name in cls.__struct_fields__ if name != "rate_hz")
        rate_hz = evidence.rate_hz.as_integer_ratio()
        return cls(rate_hz=rate_hz, **{name: getattr(evidence, name) for name in names})

    def to_evidence(self) -> Evidence:
        return Evidence(**{**msgspec.structs.asdict(self), "rate_hz": Fraction(*self.rate_hz)})


class LatentsHeader(msgspec.Struct, frozen=True, kw_only=True):
    """Latents (N, C) as float32, little-endian."""

    shape: tuple[int, int]
    values: bytes

    @classmethod
    def of(cls, latents: npt.NDArray[np.float32]) -> LatentsHeader:
        num_latents, num_channels = latents.shape
        return cls(shape=(num_latents, num_channels), values=latents.astype("<f4").tobytes())

    def to_array(self) -> npt.NDArray[np.float32]:
        """Raises ValueError."""
        import numpy as np  # noqa: PLC0415 - the server imports this module too

        latents = np.frombuffer(self.values, dtype="<f4").reshape(self.shape).astype(np.float32)
        if not np.isfinite(latents).all():
            raise ValueError("it has latents that are infinite or NaN")
        return latents


class _Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """evidence, latents: missing in what version 0.1.0 stored, and where the engine gives none."""

    sample_rate_hz: int
    warnings: tuple[str, ...]
    evidence: EvidenceHeader | None = None
    latents: LatentsHeader | None = None


class StemCache:
    """Used in the worker only: reading an entry loads numpy."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store

    def get(self, key: str) -> Waveform | None:
        """None where there is none, and where what is there is no sound: then it is dropped, and made anew."""
        blob = self._store.get(key)
        if blob is None:
            return None
        try:
            return unpack_waveform(blob)
        except (struct.error, ValueError, msgspec.MsgspecError) as exc:
            _log.warning("a cached stem is not a valid waveform and was dropped: %s", exc, extra={"key": key})
            self._store.drop(key)
            return None

    def put(self, key: str, waveform: Waveform) -> None:
        self._store.put(key, pack_waveform(waveform))


def pack_waveform(waveform: Waveform) -> bytes:
    """All of a waveform, exactly."""
    evidence = None if waveform.evidence is None else EvidenceHeader.of(waveform.evidence)
    header = msgspec.msgpack.encode(
        _Header(
            sample_rate_hz=waveform.sample_rate_hz,
            warnings=waveform.warnings,
            evidence=evidence,
            latents=None if waveform.latents is None else LatentsHeader.of(waveform.latents),
        )
    )
    return _HEADER_LENGTH.pack(len(header)) + header + waveform.samples.astype("<f4").tobytes()


def unpack_waveform(blob: bytes) -> Waveform:
    """Raises struct.error, ValueError, msgspec.MsgspecError for what is none."""
    import numpy as np  # noqa: PLC0415 - the server imports this module too

    (header_bytes,) = _HEADER_LENGTH.unpack_from(blob)
    start = _HEADER_LENGTH.size
    header = msgspec.msgpack.decode(blob[start : start + header_bytes], type=_Header)
    samples = np.frombuffer(blob, dtype="<f4", offset=start + header_bytes).astype(np.float32)
    if not samples.size or not np.isfinite(samples).all() or header.sample_rate_hz <= 0:
        raise ValueError("it has no samples, or some that are infinite or NaN")
    return Waveform(
        samples=samples,
        sample_rate_hz=header.sample_rate_hz,
        warnings=header.warnings,
        evidence=None if header.evidence is None else header.evidence.to_evidence(),
        latents=None if header.latents is None else header.latents.to_array(),
    )
