"""Waveforms under their content keys."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import msgpack
import numpy as np
import pytest

from selva_core.engine import Evidence, Waveform
from selva_daemon.worker.blob_store import BlobStore
from selva_daemon.worker.stem_cache import StemCache

KEY = "a" * 64


def test_a_waveform_comes_back_bit_by_bit(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).standard_normal(1_001).astype(np.float32)
    cache = StemCache(BlobStore(tmp_path, max_bytes=1 << 20))
    cache.put(KEY, Waveform(samples=samples, sample_rate_hz=44_100, warnings=("leise",)))
    found = cache.get(KEY)
    assert found is not None
    assert np.array_equal(found.samples, samples)
    assert (found.sample_rate_hz, found.warnings) == (44_100, ("leise",))
    assert found.samples.dtype == np.float32


def test_evidence_comes_back_with_its_waveform(tmp_path: Path) -> None:
    evidence = Evidence(
        rate_hz=Fraction(25, 2),
        presence=(0.123456789, 1.0),
        x=(0.25, 0.5),
        y=(0.75, 0.5),
        spread=(0.1, 0.2),
        rows=2,
        columns=2,
        heat=bytes(range(8)),
        whole=0.56,
        threshold=0.5,
    )
    cache = StemCache(BlobStore(tmp_path, max_bytes=1 << 20))
    cache.put(KEY, Waveform(samples=np.ones(4, np.float32), sample_rate_hz=16_000, evidence=evidence))
    found = cache.get(KEY)
    assert found is not None
    assert found.evidence == evidence


def test_an_entry_of_version_0_1_0_is_read_and_has_no_evidence(tmp_path: Path) -> None:
    header = msgpack.packb({"sample_rate_hz": 16_000, "warnings": ["short"]})
    store = BlobStore(tmp_path, max_bytes=1 << 20)
    store.put(KEY, struct.pack("<I", len(header)) + header + np.ones(3, "<f4").tobytes())
    found = StemCache(store).get(KEY)
    assert found is not None
    assert (found.samples.tolist(), found.warnings, found.evidence) == ([1.0] * 3, ("short",), None)


@pytest.mark.parametrize("bad", [b"", b"no sound", b"\xff\xff\xff\xff", None])
def test_a_cached_stem_of_bad_content_is_dropped_and_a_good_one_is_read(
    bad: bytes | None, tmp_path: Path
) -> None:
    store = BlobStore(tmp_path, max_bytes=1 << 20)
    cache, key = StemCache(store), "a" * 64
    sound = np.zeros(8, np.float32)
    if bad is None:
        cache.put(key, Waveform(samples=sound * np.nan, sample_rate_hz=48_000, warnings=()))
    else:
        store.put(key, bad)
    assert cache.get(key) is None
    assert not store.has(key)
    cache.put(key, Waveform(samples=sound, sample_rate_hz=48_000, warnings=()))
    assert cache.get(key) is not None
