"""`selva doctor`: whether everything is as it must be, with the command that mends what is not."""

from __future__ import annotations

import platform
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selva_cli.options.completion import complete_checks
from selva_cli.terminal.console import JsonOption, has_colours, print_json, print_line
from selva_cli.terminal.error_reporting import EXIT_REFUSED
from selva_cli.terminal.verbosity import is_quiet, print_note
from selva_core.base.misspelling import suggest

if TYPE_CHECKING:
    from selva_cli.doctor.finding import Check
    from selva_cli.doctor.runner import CheckedLine

_COLOURS = {"ok": typer.colors.GREEN, "warning": typer.colors.YELLOW, "fault": typer.colors.RED}
_LEVEL_CHARS = 9
_MIN_TEXT_CHARS = 24
"""Below this a narrow terminal breaks lines itself, which is no worse than a column of single words."""


def doctor(
    *,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend what can be mended safely; nothing of yours is changed.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE.zip",
            help="Write what a helper needs: no keys, prompts or foreign paths.",
        ),
    ] = None,
    only: Annotated[
        list[str],
        typer.Option(
            "--only",
            metavar="CHECK",
            help="This check only; may be repeated.",
            autocompletion=complete_checks,
        ),
    ] = [],  # noqa: B006 - typer copies it
    skip: Annotated[
        list[str],
        typer.Option(
            "--skip", metavar="CHECK", help="Not this one, such as render.", autocompletion=complete_checks
        ),
    ] = [],  # noqa: B006
    as_json: JsonOption = False,
) -> None:
    """Check the installation, the machine, the daemon and the hosts, and make one second of sound; status 1 for a fault."""
    from selva_cli.doctor.finding import System  # noqa: PLC0415 - --help stays light
    from selva_cli.doctor.report import check_report_file, describe_lines, write_report  # noqa: PLC0415
    from selva_cli.doctor.runner import mend, run_checks  # noqa: PLC0415

    if report is not None:
        check_report_file(report)
    quiet = is_quiet()
    system = System(machine=platform.machine())
    lines: list[CheckedLine] = []
    group = ""
    for line in run_checks(choose_checks(only, skip), system):
        if fix:
            (line,) = mend([line])  # noqa: PLW2901
        lines.append(line)
        if as_json or (quiet and line.finding.level == "ok" and not line.mended):
            continue
        if line.check.group != group and not quiet:
            group = line.check.group
            print_line(typer.style(group, bold=True) if has_colours() else group)
        _show(line)
        sys.stdout.flush()
    if report is not None:
        names = write_report(report, lines, system)
        print_note(f"{report} holds {', '.join(names)}; look into it before you send it")
    if as_json:
        print_json(describe_lines(lines))
    elif not quiet:
        _show_summary(lines)
    if any(line.finding.level == "fault" for line in lines):
        raise typer.Exit(EXIT_REFUSED)


def choose_checks(only: list[str], skip: list[str]) -> list[Check]:
    """The checks that are meant. Raises BadParameter for a name that there is not."""
    from selva_cli.doctor.table import CHECKS  # noqa: PLC0415

    names = [check.name for check in CHECKS]
    for name in (*only, *skip):
        if name not in names:
            raise typer.BadParameter(
                f"no check is called {name!r}{suggest(name, names)} Checks: {', '.join(names)}"
            )
    return [check for check in CHECKS if check.name not in skip and (not only or check.name in only)]


def _show(line: CheckedLine) -> None:
    finding = line.finding
    level = f"{finding.level:<{_LEVEL_CHARS}}"
    indent = " " * (_LEVEL_CHARS + 2)
    text = f"{finding.title}: {finding.text}"
    if line.mended:
        text = f"{finding.title}: {line.mended}"
    width = shutil.get_terminal_size((100, 24)).columns - len(indent)
    if width >= _MIN_TEXT_CHARS and sys.stdout.isatty():
        text = textwrap.fill(
            text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
    print_line(f"  {typer.style(level, fg=_COLOURS[finding.level]) if has_colours() else level}{text}")
    if finding.remedy:
        print_line(f"{indent}{finding.remedy}")  # never broken: it is copied


def _show_summary(lines: list[CheckedLine]) -> None:
    faults = sum(line.finding.level == "fault" for line in lines)
    warnings = sum(line.finding.level == "warning" for line in lines)
    fixable = sum(line.finding.fix is not None for line in lines)
    if not faults and not warnings:
        print_line("All is well.")
        return
    hint = f"; {fixable} can be mended by: {_fix_command()}" if fixable else ""
    print_line(f"{_count(faults, 'fault')}, {_count(warnings, 'warning')}{hint}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _fix_command() -> str:
    from selva_core.base.command_line import selva_command  # noqa: PLC0415

    return selva_command("doctor", "--fix")
