"""`--quiet` and `--verbose`, which belong to `selva` itself and may stand anywhere on the command line."""

from __future__ import annotations

import enum
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

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


@contextmanager
def verbosity_taken_from(arguments: Sequence[str]) -> Iterator[list[str]]:
    """Set the verbosity that the arguments ask for, the last one if several, for the time of a command; gives the other
    arguments.
    """
    global _chosen  # noqa: PLW0603 - one command line, one verbosity
    _chosen = Verbosity.USUAL
    end = arguments.index("--") if "--" in arguments else len(arguments)
    others = []
    for argument in arguments[:end]:
        if argument in _SHORT:
            _chosen = _SHORT[argument]
        else:
            others.append(argument)
    with _log_to_terminal() if _chosen is Verbosity.VERBOSE else nullcontext():
        yield [*others, *arguments[end:]]


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


@contextmanager
def _log_to_terminal() -> Iterator[None]:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("selva: %(levelname)s %(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
