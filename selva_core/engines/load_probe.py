"""`python -m selva_core.engines.load_probe`: load what models run on, and print as one JSON object why it does not load. It is a
program of its own, so that a library that crashes ends nothing else.
"""

from __future__ import annotations

import json
import sys

from selva_core.base.errors import InstallationBrokenError
from selva_core.engines.registry import import_loader

_LOADERS = ("selva_core.engines.echo", "selva_core.engines.loading")


def main() -> int:
    problem = ""
    try:
        for name in _LOADERS:
            import_loader(name)
    except InstallationBrokenError as error:
        problem = error.message
    sys.stdout.write(json.dumps({"problem": problem}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
