"""Install Selva Bridge for yourself: `python3 installer/install.py`. Everything about it: docs/start/install.md

Written in what Python 2.7 and 3.6 can parse as well, so that they say that they are too old and show no SyntaxError.
"""

import os
import sys

if sys.version_info < (3, 8):  # noqa: UP036 - later ones look for a newer Python themselves
    sys.exit(
        "FAILED: Python 3.8 or later is needed to install, and 3.10 to 3.13 to run; this is %d.%d. "  # noqa: UP031
        "Run the same command with one of those; they are at https://www.python.org/downloads/"
        % sys.version_info[:2]
    )

# A module in PYTHONPATH would be taken for one of the standard library or of this folder, and with PYTHONHOME the interpreter
# of an environment installs into another Python. The installer says which variables it left out.
foreign = [os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
here = os.path.dirname(os.path.abspath(__file__))  # missing from sys.path with `python -P` and PYTHONSAFEPATH
others = [entry for entry in sys.path if entry != here]
sys.path[:] = [here]
sys.path += [entry for entry in others if os.path.abspath(entry) not in foreign]
sys.path += [entry for entry in others if os.path.abspath(entry) in foreign]

from steps import command  # noqa: E402

if __name__ == "__main__":
    command.stop_on_signals()
    sys.exit(command.main())
