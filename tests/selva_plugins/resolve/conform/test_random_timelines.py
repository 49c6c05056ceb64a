"""Random edits of known truth in Resolve: no stem a frame off, none lost, none rendered twice. The long run is
`python -m bench.conform.resolve_timelines`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.selva_plugins.resolve.access import StudioAccess
from tests.selva_plugins.resolve.conform.random_timelines import check
from tests.selva_plugins.resolve.conftest import OpenHost
from tests.selva_plugins.resolve.double.builds import build

NUM_TIMELINES = 6


def test_stems_of_randomly_edited_timelines_are_where_the_truth_says(
    open_host: OpenHost, tmp_path: Path
) -> None:
    counts: Counter[str] = Counter()
    for seed in range(NUM_TIMELINES):
        folder = tmp_path / str(seed)
        folder.mkdir()
        counts += check(seed, lambda scene: StudioAccess(open_host(build("21.1.0"), scene)), folder)
    assert counts["heard frames"] > 1000
    assert counts["rendered frames"] > 100
    assert counts["media found elsewhere"]
