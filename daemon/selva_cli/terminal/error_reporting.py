"""Exit statuses, and how commands on timelines refuse: one line on standard error, and with --json one JSON object.

0: every stem was made and placed. 1: refused, nothing was written. 2: the command line itself is wrong (typer's).
3: some clips failed, the others are done. 70: a fault in this program. 130: interrupted.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import typer

from selva_cli.terminal.console import print_json
from selva_core.base.errors import SelvaError

EXIT_REFUSED = 1
EXIT_PARTLY_FAILED = 3
EXIT_FAULT = 70
"""EX_SOFTWARE of sysexits.h."""
EXIT_INTERRUPTED = 130
"""What shells report for a process that ended by SIGINT: 128 + 2."""


@contextmanager
def report_errors(*, as_json: bool) -> Iterator[None]:
    """Turn an error into one line on standard error, with `as_json` also into one JSON object on standard output."""
    try:
        yield
    except SelvaError as error:
        report_error(error.message, as_json=as_json, code=error.code, facts=error.facts)
        raise typer.Exit(EXIT_REFUSED) from error
    except KeyboardInterrupt as error:
        message = "interrupted; waiting jobs are cancelled, finished stems are kept"
        report_error(message, as_json=as_json, code="interrupted")
        raise typer.Exit(EXIT_INTERRUPTED) from error


def report_error(
    message: str, *, as_json: bool, code: str, facts: Mapping[str, object] | None = None, shown: bool = False
) -> None:
    """One line on standard error, with `as_json` also one JSON object on standard output. shown: the line is there already.

    A reader that has closed its pipe does without it; the command has failed all the same.
    """
    if as_json:
        with _closed_pipes_passed_over():
            print_json({"error": {"code": code, "message": message, "facts": dict(facts or {})}})
            sys.stdout.flush()
    if not shown:
        with _closed_pipes_passed_over():
            sys.stderr.write(f"selva: {message}\n")


def is_closed_pipe(error: OSError, *, platform: str = sys.platform) -> bool:
    """Whether the reader of our output has ended. Windows' C library answers EINVAL to a write into its pipe."""
    return isinstance(error, BrokenPipeError) or (platform == "win32" and error.errno == errno.EINVAL)


@contextmanager
def _closed_pipes_passed_over() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not is_closed_pipe(error):
            raise
