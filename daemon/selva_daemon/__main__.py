"""`python -m selva_daemon` is the command `selva`: scripts that hosts have installed until version 0.1.0 start it so.

The command line lies above this package, which must not import it. So it is found as the system finds it: by the
installation's entry point.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

from selva_core.base.command_line import reinstall_command


def main() -> int:
    for command in entry_points(group="console_scripts", name="selva"):
        return int(command.load()() or 0)
    sys.stderr.write(
        f"selva: the command line is not installed for this Python; install the package again with: {reinstall_command()}\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
