"""Waveforms under their content keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from selva_core.engine import Waveform
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
