"""`python -m selva_daemon.service`, as the daemon was started until version 0.1.0, for service files that people wrote.

It is now `python -m selva_daemon.server.service`.
"""

from __future__ import annotations

import sys

from selva_daemon.server.service import main

if __name__ == "__main__":
    sys.exit(main())
