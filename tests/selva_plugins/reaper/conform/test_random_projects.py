"""Random edits of known truth through the scripts: no stem a sample off, none lost, none rendered twice. The long run is
`python -m bench.conform.reaper_projects`.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.selva_plugins.reaper.conform.random_projects import check
from tests.selva_plugins.reaper.double import World

NUM_PROJECTS = 4


@pytest.fixture
def lua() -> str:
    """One Lua is enough here; every version is tested with the action."""
    return "5.4"


def test_stems_of_randomly_edited_projects_are_where_the_truth_says(world: World) -> None:
    counts: Counter[str] = Counter()
    for seed in range(NUM_PROJECTS):
        world.projects.clear()
        counts += check(world, seed)
    assert counts["heard frames"] > 1000
    assert counts["rendered frames"] > 100
