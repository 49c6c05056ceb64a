"""The commands of `selva`, put together. Each imports what it needs when it runs, so that `selva --help` is quick."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import traceback
from typing import Annotated, Any

import typer

import selva_core
from selva_cli.agents import command as agents
from selva_cli.commands import (
    conform,
    daemon,
    doctor,
    jobs,
    models,
    panel,
    render,
    spot,
    watch,
)
from selva_cli.commands.cache import cache_app
from selva_cli.commands.config import config_app
from selva_cli.commands.farm.farm_app import farm_app
from selva_cli.commands.host import host_app
from selva_cli.commands.results import events, overview, redo
from selva_cli.options.command_app import CommandApp
from selva_cli.terminal.error_reporting import (
    EXIT_FAULT,
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
    is_closed_pipe,
    report_error,
)
from selva_cli.terminal.stop_signals import interrupted_by_stop_signals
from selva_cli.terminal.verbosity import is_verbose, iter_details, verbosity_taken_from
from selva_core.base.errors import SelvaError

_CommandLineError: Any = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)
"""Typer has a copy of click inside and does not export this class."""

COMPLETION_VARIABLE = "_SELVA_COMPLETE"
"""Set by the scripts that shells run after Tab."""
_OUTPUT_ERRORS = (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EINVAL, errno.EBADF)
"""A closed pipe (EINVAL on Windows), a full disk, a terminal that has gone."""

app = CommandApp(
    name="selva",
    help="One aligned stem per prompt, each on its own track.",
    epilog="--quiet and --verbose may stand after any command as well.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(render.render)
app.command()(render.stems)
app.command()(redo.redo)
app.command()(conform.conform)
app.command()(spot.spot)
app.command()(panel.panel)
app.command()(overview.overview)
app.command()(events.events)
app.command()(doctor.doctor)
app.command()(agents.mcp)
app.add_typer(daemon.daemon_app, name="daemon", help="Run, start, stop and look at the daemon.")
app.add_typer(jobs.jobs_app, name="jobs", help="List, watch, cancel and retry jobs.")
app.add_typer(
    watch.watch_app,
    name="watch",
    help="Render what is put into folders; `selva watch FOLDER` watches one here.",
)
app.add_typer(farm_app, name="farm", help="Make jobs for render farms, and what their workers call.")
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
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Results, warnings and errors only: no progress, no notes.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also what happens inside, and the details of errors.")
    ] = False,
) -> None:
    """Options before the command. `run_command_line` has taken quiet and verbose already; here they are for the help."""


def run_command_line() -> None:
    """Run the command line. Whatever goes wrong is one line on standard error, with --json also one JSON object on standard
    output, and an exit status other than 0.
    """
    _make_output_safe()
    status = 0
    try:
        is_completion = COMPLETION_VARIABLE in os.environ
        with interrupted_by_stop_signals(), verbosity_taken_from(sys.argv[1:]) as arguments:
            status = _complete() if is_completion else _run(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError as error:  # of the output: what commands write to files is caught before
        status = _give_up_output(error, status)
    sys.exit(status)


def _run(arguments: list[str]) -> int:
    """Run a command; gives its exit status. Raises OSError where its output cannot be written."""
    as_json = "--json" in arguments
    try:
        _warn_of_unknown_variables()
        return int(app(args=arguments, standalone_mode=False) or 0)
    except SelvaError as error:
        report_error(error.message, as_json=as_json, code=error.code, facts=error.facts)
        if is_verbose():
            sys.stderr.writelines(f"selva:   {line}\n" for line in iter_details(error))
        return EXIT_REFUSED
    except _CommandLineError as error:
        from typer import rich_utils  # noqa: PLC0415 - loads a Markdown parser

        with contextlib.suppress(SystemExit):  # what rich makes of a closed pipe
            rich_utils.rich_format_error(error)
        report_error(error.format_message(), as_json=as_json, code="command-line", shown=True)
        return int(error.exit_code)
    except SystemExit as ended:
        # What rich makes of a closed pipe, with the status of a failure.
        if isinstance(ended.__context__, BrokenPipeError):
            raise ended.__context__ from None
        raise
    except (KeyboardInterrupt, typer.Abort):
        report_error("interrupted", as_json=as_json, code="interrupted")
        return EXIT_INTERRUPTED
    except Exception as error:
        if isinstance(error, OSError) and _is_of_output(error):
            raise
        message = f"a fault in this program ({type(error).__name__}: {error}); {_save_traceback()}"
        report_error(message, as_json=as_json, code="internal")
        return EXIT_FAULT


def _complete() -> int:
    """Answer the shell after Tab. What goes wrong is silence: a message would stand in the middle of a command line."""
    # The name decides which variable is read; without it that would be the one of `python -m selva_cli`.
    with contextlib.suppress(Exception, SystemExit), contextlib.redirect_stderr(io.StringIO()):
        app(args=[], prog_name="selva")
    return 0


def _is_of_output(error: OSError) -> bool:
    """Errors of streams name no file, unlike those of paths."""
    return error.filename is None and error.errno in _OUTPUT_ERRORS


def _give_up_output(error: OSError, status: int) -> int:
    """Say why the output is not whole; end silently, as the command did, when its reader has read enough, as in
    `selva jobs list | head`. status: of the command so far; gives the one to end with.
    """
    if not is_closed_pipe(error):
        status = EXIT_REFUSED
        with contextlib.suppress(OSError):
            sys.stderr.write(f"selva: the output cannot be written: {error.strerror or error}\n")
            sys.stderr.flush()
    for stream in (
        sys.stdout,
        sys.stderr,
    ):  # else the interpreter tries once more when it ends, and complains
        with contextlib.suppress(OSError):
            stream.close()
    return status


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
