"""The command `selva`. Each command imports what it needs when it runs, so that `selva --help` is quick."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from typing import Annotated, Any

import typer
from typer import rich_utils

import selva_core
from selva_cli.commands import daemon, doctor, jobs, models, overview, render, spot, watch
from selva_cli.commands.cache import cache_app
from selva_cli.commands.config import config_app
from selva_cli.commands.host import host_app
from selva_cli.terminal.error_reporting import EXIT_FAULT, EXIT_INTERRUPTED, EXIT_REFUSED, report_error
from selva_core.base.errors import SelvaError

_CommandLineError: Any = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)
"""Typer has a copy of click inside and does not export this class."""

app = typer.Typer(
    name="selva",
    help="One aligned stem per prompt, each on its own track.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(render.render)
app.command()(render.stems)
app.command()(spot.spot)
app.command()(watch.watch)
app.command()(overview.overview)
app.command()(doctor.doctor)
app.add_typer(daemon.daemon_app, name="daemon", help="Run, start, stop and look at the daemon.")
app.add_typer(jobs.jobs_app, name="jobs", help="List, watch, cancel and retry jobs.")
app.add_typer(models.models_app, name="models", help="Which models there are and which are installed.")
app.add_typer(
    host_app, name="host", help="Put Selva into REAPER and DaVinci Resolve, check it, and what they call."
)
app.add_typer(cache_app, name="cache", help="How much the caches hold; empty them.")
app.add_typer(config_app, name="config", help="Show and change the settings.")


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"selva {selva_core.__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Options before the command."""


def main() -> None:
    """Run the command line. Whatever goes wrong is one line on standard error, with --json also one JSON object on standard
    output, and an exit status other than 0.
    """
    _make_output_safe()
    _warn_of_unknown_variables()
    as_json = "--json" in sys.argv[1:]
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except SelvaError as error:
        report_error(error.message, as_json=as_json, code=error.code, facts=error.facts)
        sys.exit(EXIT_REFUSED)
    except _CommandLineError as error:
        rich_utils.rich_format_error(error)
        report_error(error.format_message(), as_json=as_json, code="command-line", shown=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        report_error("interrupted", as_json=as_json, code="interrupted")
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        _exit_after_closed_pipe()
    except Exception as error:
        message = f"a fault in this program ({type(error).__name__}: {error}); {_save_traceback()}"
        report_error(message, as_json=as_json, code="internal")
        sys.exit(EXIT_FAULT)


def _make_output_safe() -> None:
    """Let a console that cannot show a character show an escape: legacy Windows code pages would raise an error instead.

    pythonw, which hosts start the bridge with on Windows, has no standard streams at all; what is written then goes nowhere.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open until the process ends
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _warn_of_unknown_variables() -> None:
    """A variable with a misspelt name has no effect, and nobody sees it; the daemon refuses to start with one."""
    if not any(name.startswith("SELVA_") for name in os.environ):
        return
    from selva_core.base.environment import iter_unknown_variables  # noqa: PLC0415 - --help stays light

    unknown = iter_unknown_variables(os.environ)
    sys.stderr.writelines(f"selva: {line}\n" for line in unknown)


def _exit_after_closed_pipe() -> None:
    """End silently when the reader of our output has ended, as in `selva jobs list | head`."""
    with contextlib.suppress(OSError):
        sys.stdout.close()
    sys.exit(EXIT_REFUSED)


def _save_traceback() -> str:
    from selva_core.base.paths import AppPaths, ensure_private_folder  # noqa: PLC0415 - only for a fault

    try:
        folder = AppPaths.find().state
        ensure_private_folder(folder)
        file = folder / "command-line-fault.log"
        file.write_text(traceback.format_exc(), encoding="utf-8")
    except (OSError, SelvaError):
        return "its traceback could not be saved"
    return f"details: {file}"
