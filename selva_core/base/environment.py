"""Variables of the environment: all that begin with SELVA_ are ours, so one that is not known is misspelt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from selva_core.base.misspelling import suggest
from selva_core.base.settings.row import VARIABLE_PREFIX
from selva_core.base.settings.table import all_names

_KNOWN = (
    "SELVA_CONFIG_DIR",
    "SELVA_CONNECTION_FILE",
    "SELVA_ECHO_PICTURES_TOGETHER",
    "SELVA_ECHO_SAMPLE_RATE_HZ",
    "SELVA_ECHO_STEP_DELAY_S",
    "SELVA_STATE_DIR",
)
_FOR_TESTS = "SELVA_TEST_"


def iter_unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each SELVA_ variable that nothing reads. Every setting is read from one, under its name in capitals."""
    known = {*_KNOWN, *(f"{VARIABLE_PREFIX}{name.upper()}" for name in all_names())}
    for name in sorted(environment):
        if name.startswith(VARIABLE_PREFIX) and name not in known and not name.startswith(_FOR_TESTS):
            yield f"nothing reads the environment variable {name}{suggest(name, known) or '; unset it'}"
