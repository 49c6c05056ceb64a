"""`python -m selva_daemon.worker`, as a daemon of version 0.1.0 starts workers, also after the package was updated under it."""

from __future__ import annotations

import sys

from selva_daemon.worker.worker import main

if __name__ == "__main__":
    sys.exit(main())
