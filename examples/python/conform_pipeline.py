"""A pipeline step: a new cut has arrived, the stems of the last one go along, and a list says what changed.

    python examples/python/conform_pipeline.py OLD.otio NEW.otio OUT.otio CHANGES.csv

It runs the command line and reads its JSON, as a pipeline in any language may. Status 0: the new cut has its stems, and the
change list is in CHANGES.csv. Status 4: more than half of the stems would be rendered anew, so that somebody should look first;
nothing was written.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TOO_MUCH_NEW = 4


def main(arguments: Sequence[str]) -> int:
    old, new, out, changes = arguments
    command = ["conform", old, new, "-o", out]
    plan: dict[str, Any] = json.loads(selva(*command, "--dry-run", "--json"))
    stems = [stem for stem in plan["stems"] if stem["actions"] != ["dropped"]]
    num_rendered = sum(stem["actions"] == ["render"] for stem in stems)
    if num_rendered * 2 > len(stems):
        print(f"{num_rendered} of {len(stems)} stems would be new; nothing was done")
        return TOO_MUCH_NEW
    Path(changes).write_text(selva(*command, "--csv"), encoding="utf-8")
    num_changed = sum(shot["changes"] != ["kept"] for shot in plan["shots"])
    print(f"{num_changed} shots changed, {num_rendered} stems made: {out}")
    return 0


def selva(*arguments: str) -> str:
    """What a command prints on standard output. Its messages go to standard error as they are."""
    command = [sys.executable, "-m", "selva_cli", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
