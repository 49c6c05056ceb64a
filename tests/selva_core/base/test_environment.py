"""Variables of the environment with misspelt names."""

from __future__ import annotations

import pytest

from selva_core.base.environment import iter_unknown_variables
from selva_core.base.misspelling import suggest


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SELVA_KEEP_ALIVE", "SELVA_KEEP_ALIVE_S"),
        ("SELVA_MODEL_DIR", "SELVA_MODELS_DIR"),
        ("SELVA_STATEDIR", "SELVA_STATE_DIR"),
        ("SELVA_DEVCIE", "SELVA_DEVICE"),
    ],
)
def test_a_misspelt_variable_is_named_with_the_one_that_was_meant(name: str, meant: str) -> None:
    (line,) = iter_unknown_variables({name: "1", "PATH": "/bin"})
    assert name in line
    assert line.endswith(f"did you mean {meant!r}?")


def test_variables_that_are_read_are_not_reported() -> None:
    known = (
        "SELVA_KEEP_ALIVE_S",
        "SELVA_DEVICE",
        "SELVA_MODELS_DIR",
        "SELVA_CONNECTION_FILE",
        "SELVAGE",
        "HOME",
    )
    assert list(iter_unknown_variables(dict.fromkeys(known, "1"))) == []


def test_a_name_that_is_like_no_other_suggests_nothing() -> None:
    assert suggest("Cat", ["Footsteps", "Rain"]) == ""
    assert suggest("footstep", ["Footsteps", "Rain"]) == "; did you mean 'Footsteps'?"
    assert suggest("x", []) == ""
    assert suggest("nano", ["selva-nano", "selva-small-16k"]) == "; did you mean 'selva-nano'?"
    assert suggest("16k", ["selva-small-16k", "selva-large-16k"]) == "", "which of them is not clear"
