"""Host applications: which are there, whether their scripts fit, and environment variables that mislead their Python."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from selva_cli.doctor.finding import Finding, System
from selva_core.base.command_line import selva_command

_SHARED_TITLES = ("Daemon", "Models", "Loaded:")
"""Lines of a host's own check that other checks here have as well."""


def check_reaper(system: System) -> Iterator[Finding]:
    """Scripts, bridge and action list of each REAPER."""
    from selva_plugins.hosts.reaper.check import check_setup  # noqa: PLC0415
    from selva_plugins.hosts.reaper.resource_paths import find_resource_paths  # noqa: PLC0415
    from selva_plugins.hosts.script_install import Machine  # noqa: PLC0415

    machine = Machine(platform=system.platform, environment=system.environment, home=system.home)
    if not find_resource_paths(machine):
        yield Finding(title="REAPER", text="not found on this machine")
        return
    yield from _convert("reaper", lambda: check_setup(None, machine))


def check_resolve(system: System) -> Iterator[Finding]:
    """Menu entries, messages and bridge of each Resolve."""
    from selva_plugins.hosts.resolve.check import check_setup  # noqa: PLC0415
    from selva_plugins.hosts.resolve.homes import find_homes  # noqa: PLC0415

    homes = find_homes(system.paths.state)
    if not any(home.has_resolve for home in homes):
        yield Finding(title="DaVinci Resolve", text="not found on this machine")
        return
    yield from _convert("resolve", lambda: check_setup(None))


def _convert(host: str, check_setup: Callable[[], Sequence[Any]]) -> Iterator[Finding]:
    """Lines of `selva host check`. What is wrong with the scripts is mended by installing them once more."""
    install = selva_command("host", "install", host)
    for result in check_setup():
        if result["title"].startswith(_SHARED_TITLES):
            continue
        text, level = result["text"], result["level"]
        fits = install in text and level != "ok"
        yield Finding(
            title=result["title"],
            text=text.replace(f"Run: {install}", "").strip() if fits else text,
            level=level,
            remedy=install if fits else "",
            fix=_installing(host) if fits and "Close REAPER" not in text else None,
        )


def _installing(host: str) -> Callable[[], str]:
    def install() -> str:
        module = importlib.import_module(f"selva_plugins.hosts.{host}.install")
        reports = module.install(None)
        return "; ".join(sentence for report in reports for sentence in (*report.done, *report.left))

    return install


def check_script_languages(system: System) -> Iterator[Finding]:
    """Variables that Resolve reads for its own Python and scripting library. Our scripts are Lua and need no Python there, but
    a wrong path keeps Resolve Studio from being reached, and crashes its Python on Windows.
    """
    values, odd = system.environment, 0
    for name in ("RESOLVE_SCRIPT_LIB", "RESOLVE_SCRIPT_API", "PYTHON3HOME"):
        path = values.get(name)
        if path and not Path(path).exists():
            odd += 1
            text = f"It names {path}, which is not there; Resolve and its scripts look nowhere else then"
            yield Finding(title=name, text=text, level="warning", remedy=system.unset_command(name))
    home = values.get("PYTHON3HOME")
    if home and values.get("PYTHONHOME") and home != values["PYTHONHOME"]:
        odd += 1
        text = "PYTHON3HOME and PYTHONHOME name different Pythons; Resolve up to 21.0 takes the one, and crashes with the other"
        yield Finding(
            title="Python of Resolve", text=text, level="warning", remedy=system.unset_command("PYTHONHOME")
        )
    if not odd:
        yield Finding(
            title="Python and Lua of hosts", text="our scripts are Lua, and no variable misleads the hosts"
        )
