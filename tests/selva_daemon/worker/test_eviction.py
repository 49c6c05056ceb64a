"""Which entries go when a cache is full: a cut longer than the cache is found in part, an earlier cut makes room."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from selva_daemon.worker.blob_store import SPARE_AFTER_TRIM, BlobStore
from selva_daemon.worker.eviction import Entry, Eviction, least_recent_first, resist_scans

CAPACITY = 120  # entries of one byte


def hits(eviction: Eviction, *passes: tuple[str, int]) -> list[float]:
    """The share that each pass finds: (name of a cut, its entries), read in order; one second an entry."""
    used_s: dict[Path, float] = {}
    now_s, shares = 0.0, []
    for cut, num_entries in passes:
        found = 0
        for index in range(num_entries):
            now_s += 1.0
            file = Path(cut, str(index))
            found += file in used_s
            used_s[file] = now_s
            if len(used_s) > CAPACITY:
                entries: list[Entry] = [(used, 1, file) for file, used in used_s.items()]
                target = int(CAPACITY * SPARE_AFTER_TRIM)
                for _, _, going in list(eviction(entries, target, now_s))[: len(used_s) - target]:
                    del used_s[going]
        shares.append(found / num_entries)
    return shares


def test_cut_longer_than_the_cache_is_found_in_part_when_it_is_rendered_again() -> None:
    long_cut = [("long", 400)] * 3
    assert hits(least_recent_first, *long_cut) == [0.0, 0.0, 0.0]
    first, second, third = hits(resist_scans, *long_cut)
    assert first == 0.0
    assert second > 0.25  # 0.3 fit
    assert third > 0.1


def test_cut_that_fits_is_found_as_a_whole_in_either_way() -> None:
    for eviction in (least_recent_first, resist_scans):
        assert hits(eviction, ("short", 100), ("short", 100)) == [0.0, 1.0]


def test_next_cut_takes_the_place_of_a_longer_one() -> None:
    small = hits(resist_scans, ("long", 400), ("small", 50), ("small", 50))
    assert small[-1] == 1.0
    large = hits(resist_scans, ("long", 400), *[("large", 100)] * 4)
    assert large[-1] == 1.0


@pytest.mark.parametrize(("eviction", "stays"), [(resist_scans, True), (least_recent_first, False)])
def test_store_asks_its_eviction_which_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eviction: Eviction, stays: bool
) -> None:
    store = BlobStore(tmp_path, max_bytes=10_000, eviction=eviction)
    keys = [f"{index:064x}" for index in range(12)]
    now_s = 1_700_000_000.0
    monkeypatch.setattr(time, "time", lambda: now_s)
    for key in keys:
        now_s += 10.0
        store.put(key, bytes(900))
        os.utime(tmp_path / key[:2] / key, (now_s, now_s))
    assert store.has(keys[0]) is stays
    assert store.has(keys[-1])
    assert store.info().size_bytes <= 10_000
