"""Set everything up and run: `python3 installer/run.py demo` or `python3 installer/run.py test`.

Written in what Python 2.7 and 3.6 can parse as well, so that they say that they are too old and show no SyntaxError.
"""

import os
import sys

if sys.version_info < (3, 8):  # noqa: UP036 - later ones look for a newer Python themselves
    sys.exit(
        "Python 3.10 to 3.13 is needed; this is %d.%d.\n"  # noqa: UP031
        "Run the same command with one of those; they are at https://www.python.org/downloads/"
        % sys.version_info[:2]
    )

# Studios and other programs set these for themselves. A module in PYTHONPATH would be taken for one of the standard library or
# of this folder, and with PYTHONHOME the interpreter of a virtual environment installs into another Python.
foreign = [os.path.abspath(entry) for entry in os.environ.pop("PYTHONPATH", "").split(os.pathsep) if entry]
os.environ.pop("PYTHONHOME", None)
here = os.path.dirname(os.path.abspath(__file__))  # missing from sys.path with `python -P` and PYTHONSAFEPATH
others = [entry for entry in sys.path if entry != here]
sys.path[:] = [here]
sys.path += [entry for entry in others if os.path.abspath(entry) not in foreign]
sys.path += [entry for entry in others if os.path.abspath(entry) in foreign]

import command_line  # noqa: E402

if __name__ == "__main__":
    sys.exit(command_line.main())
