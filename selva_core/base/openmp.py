"""How long the threads of a process spin when they wait for each other, set before torch loads.

torch works on a CPU with OpenMP, whose threads spin at every barrier. Beside a busy program (an editor that plays or exports)
the thread that all wait for is not on a core, and the spinning of the others keeps it from one. Spinning for a moment only
costs nothing on an idle machine and much less on a busy one. Each run-time library reads its own variable, once, when it is
loaded.

Three stems of 8 s (selva-nano, 4 steps) on two cores of a virtual machine, in seconds, the median of three by rounds of
GNU's loop, alone and beside two busy programs: 10,000: 2.0 and 8.3; 3,000: 1.9 and 5.7; 1,000: 2.7 and 5.9; 200: 4.0 and 4.8.
No way to wait is faster beside them than 3.8: two threads and two other programs on two cores have half of each.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

_GNU = ("GOMP_SPINCOUNT", "3000")  # rounds of its loop, about ten microseconds
_LLVM_AND_INTEL = ("KMP_BLOCKTIME", "1")  # milliseconds, the least that is not 0; their default is 200
_USERS_OWN = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")


def bounded_spinning(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables to add to `environment`; none where one of them, or another that rules how to wait, is set by the user."""
    if any(name in environment for name in _USERS_OWN):
        return {}
    return dict([_GNU, _LLVM_AND_INTEL])


def bound_spinning() -> None:
    """Add `bounded_spinning` to the variables of this process, unless torch has been loaded: then it is too late."""
    if "torch" not in sys.modules:
        os.environ.update(bounded_spinning(os.environ))
