"""`selva host`: install our scripts into host applications, check them, and answer them."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from selva_cli.commands.host_resolve import CheckStartOption, HandedOption, resolve, use_handed_settings
from selva_cli.options.command_app import CommandApp
from selva_cli.options.completion import complete_hosts
from selva_cli.terminal.console import JsonOption, print_json, print_line
from selva_cli.terminal.error_reporting import EXIT_REFUSED
from selva_core.base.misspelling import suggest

# Host -> the module that installs into it; it has install(resource_path) and remove(resource_path), each giving reports
# with resource_path, done and left.
HOSTS = {
    "reaper": "selva_plugins.hosts.reaper.install",
    "resolve": "selva_plugins.hosts.resolve.install",
}

# Host -> the module that can say whether all is well; it has check_setup(resource_path), giving results with title, text
# and level (ok, warning, fault).
CHECKS = {
    "reaper": "selva_plugins.hosts.reaper.check",
    "resolve": "selva_plugins.hosts.resolve.check",
}

host_app = CommandApp(no_args_is_help=True)
host_app.command()(resolve)

HostArgument = Annotated[
    str, typer.Argument(metavar="HOST", help=f"One of: {', '.join(HOSTS)}.", autocompletion=complete_hosts)
]
ResourcePathOption = Annotated[
    Path | None,
    typer.Option(
        "--resource-path",
        metavar="DIR",
        help="The host's own folder, for portable installations. By default all that are found.",
    ),
]

StartupOption = Annotated[
    bool | None,
    typer.Option(
        "--startup/--no-startup",
        help="REAPER: when it starts, offer stems that became ready while it was closed (one line in __startup.lua).",
        show_default=False,
    ),
]


@host_app.command()
def reaper(
    request: Annotated[
        Path | None, typer.Argument(metavar="REQUEST", help="The folder of a request.", show_default=False)
    ] = None,
    check_start: CheckStartOption = None,
    handed: HandedOption = [],  # noqa: B006 - typer copies it
) -> None:
    """Answer a request of the REAPER scripts, which run this command themselves."""
    use_handed_settings(handed)
    from selva_plugins.bridge import answer_request  # noqa: PLC0415 - --help stays light
    from selva_plugins.bridge_log import open_log  # noqa: PLC0415

    if request is None and check_start is None:
        raise typer.BadParameter("name the folder of a request; the REAPER scripts do that themselves")
    with open_log("reaper") as write_log:
        if request is None:
            write_log(f"started as a check: {check_start}")
            return
        write_log(f"answers {request.absolute()}")
        answer_request(request.absolute())
        write_log(f"answered {request.absolute()}")


@host_app.command()
def install(
    host: HostArgument,
    resource_path: ResourcePathOption = None,
    startup: StartupOption = None,
    as_json: JsonOption = False,
) -> None:
    """Install Selva's scripts into a host application. To do it again repairs them, and changes nothing else."""
    if startup is None:
        reports = _find(host).install(resource_path)
    elif host == "reaper":
        reports = _find(host).install(resource_path, at_startup=startup)
    else:
        raise typer.BadParameter("only reaper has a start-up script; leave out --startup")
    _print_reports(reports, as_json=as_json)


@host_app.command()
def remove(host: HostArgument, resource_path: ResourcePathOption = None, as_json: JsonOption = False) -> None:
    """Remove Selva's scripts from a host application; projects and stems stay."""
    _print_reports(_find(host).remove(resource_path), as_json=as_json)


@host_app.command()
def check(
    host: Annotated[
        str,
        typer.Argument(metavar="HOST", help=f"One of: {', '.join(CHECKS)}.", autocompletion=complete_hosts),
    ],
    resource_path: ResourcePathOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check whether a host application, its scripts, the daemon, the models and what they run on fit together; status 1 when
    not.
    """
    results = [*_find(host, CHECKS).check_setup(resource_path), *_check_libraries()]
    if as_json:
        print_json(results)
    else:
        for result in results:
            print_line(f"{result['level']:<8} {result['title']}: {result['text']}")
    if any(result["level"] == "fault" for result in results):
        raise typer.Exit(EXIT_REFUSED)


def _check_libraries() -> Iterator[dict[str, str]]:
    """Whether torch loads, tried in a process of its own; a fault comes with the command that mends it."""
    from selva_cli.doctor.finding import System  # noqa: PLC0415 - --help stays light
    from selva_cli.doctor.libraries import check_torch  # noqa: PLC0415

    for finding in check_torch(System(machine=platform.machine())):
        remedy = f". Run: {finding.remedy}" if finding.remedy else ""
        yield {"title": finding.title, "text": f"{finding.text}{remedy}", "level": finding.level}


def _find(host: str, modules: Mapping[str, str] = HOSTS) -> Any:
    if host not in modules:
        raise typer.BadParameter(
            f"no host is called {host!r} here; there are {', '.join(modules)}{suggest(host, modules)}"
        )
    return importlib.import_module(modules[host])


def _print_reports(reports: list[Any], *, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {"resource_path": str(report.resource_path), "done": report.done, "left": report.left}
                for report in reports
            ]
        )
        return
    for report in reports:
        print_line(f"{report.resource_path}")
        for sentence in report.done:
            print_line(f"  {sentence}")
        for sentence in report.left:
            print_line(f"  still to do: {sentence}")
