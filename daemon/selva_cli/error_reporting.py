"""How commands on timelines refuse: one clear line on standard error, a status that says what happened.

0: every stem was made and placed. 1: refused, nothing was written. 2: the command line itself is wrong.
3: some clips failed, the others are done. 130: interrupted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from selva_core.base.errors import SelvaError
from selva_otio.errors import TimelineError

EXIT_REFUSED = 1
EXIT_PARTLY_FAILED = 3
EXIT_INTERRUPTED = 130


@contextmanager
def report_errors(*, as_json: bool) -> Iterator[None]:
    """Turn the errors of the rooms into one line, with `as_json` also into one JSON object on stdout."""
    try:
        yield
    except (SelvaError, TimelineError) as error:
        if as_json:
            described = {"code": error.code, "message": error.message, "facts": error.facts}
            sys.stdout.write(json.dumps({"error": described}) + "\n")
        sys.stderr.write(f"selva: {error.message}\n")
        raise typer.Exit(EXIT_REFUSED) from error
    except KeyboardInterrupt as error:
        sys.stderr.write("selva: interrupted; what was waiting is cancelled, finished stems are kept\n")
        raise typer.Exit(EXIT_INTERRUPTED) from error
