"""Exit statuses, and how commands on timelines refuse: one line on standard error, and with --json one JSON object.

0: every stem was made and placed. 1: refused, nothing was written. 2: the command line itself is wrong (typer's).
3: some clips failed, the others are done. 70: a fault in this program. 130: interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from selva_cli.console import print_json
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
        if as_json:
            print_json({"error": error})
        sys.stderr.write(f"selva: {error.message}\n")
        raise typer.Exit(EXIT_REFUSED) from error
    except KeyboardInterrupt as error:
        sys.stderr.write("selva: interrupted; waiting jobs are cancelled, finished stems are kept\n")
        raise typer.Exit(EXIT_INTERRUPTED) from error
