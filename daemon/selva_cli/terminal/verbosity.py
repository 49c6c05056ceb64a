"""`--quiet` and `--verbose`, which belong to `selva` itself and may stand anywhere on the command line."""

from __future__ import annotations

import enum
import logging
import sys
from collections.abc import Iterator, Sequence

from selva_core.base.errors import SelvaError

_LOGGERS = ("selva_core", "selva_otio", "selva_daemon", "selva_render", "selva_plugins")
_MAX_CAUSES = 5


class Verbosity(enum.Enum):
    """How much is written beside the result: nothing but warnings and errors, the usual, or everything."""

    QUIET = "--quiet"
    USUAL = ""
    VERBOSE = "--verbose"


_SHORT = {
    "-q": Verbosity.QUIET,
    "--quiet": Verbosity.QUIET,
    "-v": Verbosity.VERBOSE,
    "--verbose": Verbosity.VERBOSE,
}
_chosen = Verbosity.USUAL


def take_verbosity(arguments: Sequence[str]) -> list[str]:
    """Set the verbosity that the arguments ask for, the last one if several; gives the other arguments."""
    global _chosen  # noqa: PLW0603 - one command line, one verbosity
    _chosen = Verbosity.USUAL
    end = arguments.index("--") if "--" in arguments else len(arguments)
    others = []
    for argument in arguments[:end]:
        if argument in _SHORT:
            _chosen = _SHORT[argument]
        else:
            others.append(argument)
    if _chosen is Verbosity.VERBOSE:
        _log_to_terminal()
    return [*others, *arguments[end:]]


def is_quiet() -> bool:
    return _chosen is Verbosity.QUIET


def is_verbose() -> bool:
    return _chosen is Verbosity.VERBOSE


def print_note(text: str) -> None:
    """A line on standard error about what happened, which scripts do not need: left out with --quiet."""
    if not is_quiet():
        sys.stderr.write(f"selva: {text}\n")


def iter_details(error: SelvaError) -> Iterator[str]:
    """What --verbose adds to the line of an error: code, facts and causes."""
    yield f"code: {error.code}"
    for name, value in error.facts.items():
        yield f"{name}: {value}"
    cause, num_shown = error.__cause__, 0
    while cause is not None and num_shown < _MAX_CAUSES:
        yield f"caused by {type(cause).__name__}: {cause}"
        cause, num_shown = cause.__cause__, num_shown + 1


def _log_to_terminal() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("selva: %(levelname)s %(name)s: %(message)s"))
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, logging.StreamHandler) for each in logger.handlers):
            logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
