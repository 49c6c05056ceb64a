"""Random edits of known truth in the REAPER double: how many projects conform without a stem off, lost or rendered twice.

python -m bench.conform.reaper_projects [number] [first seed]
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.selva_plugins.reaper.conform.random_projects import check
from tests.selva_plugins.reaper.double import Profile, World

NUM_PROJECTS = 1000


def main(number: int = NUM_PROJECTS, first: int = 0) -> int:
    """Print the counts as JSON; the exit status is 1 where a project failed."""
    counts: Counter[str] = Counter()
    failed: dict[int, str] = {}
    for seed in range(first, first + number):
        with tempfile.TemporaryDirectory() as home:
            world = World(Profile(version="7.78", lua="5.4"), Path(home))
            try:
                counts += check(world, seed)
                world.assert_clean()
            except AssertionError as error:
                failed[seed] = str(error)
    print(json.dumps({"projects": number, "failed": failed, **counts}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*(int(text) for text in sys.argv[1:])))
