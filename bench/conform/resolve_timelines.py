"""Random edits of known truth in the Resolve double: how many timelines conform without a stem off, lost or rendered twice.

python -m bench.conform.resolve_timelines [number] [first seed]
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.selva_plugins.resolve.access import StudioAccess
from tests.selva_plugins.resolve.conform.random_timelines import check
from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.double.host import Host
from tests.selva_plugins.resolve.scenes import Scene

NUM_TIMELINES = 1000


class _Opened:
    """Opens scenes, and keeps the hosts."""

    def __init__(self) -> None:
        self.hosts: list[Host] = []

    def open(self, scene: Scene) -> StudioAccess:
        self.hosts.append(Host(build("21.1.0"), scene.project))
        return StudioAccess(self.hosts[-1])


def main(number: int = NUM_TIMELINES, first: int = 0) -> int:
    """Print the counts as JSON; the exit status is 1 where a timeline failed."""
    counts: Counter[str] = Counter()
    failed: dict[int, str] = {}
    for seed in range(first, first + number):
        with tempfile.TemporaryDirectory() as folder:
            opened = _Opened()
            try:
                counts += check(seed, opened.open, Path(folder))
                assert [violation for host in opened.hosts for violation in host.violations] == []
            except AssertionError as error:
                failed[seed] = str(error)
    print(json.dumps({"timelines": number, "failed": failed, **counts}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*(int(text) for text in sys.argv[1:])))
