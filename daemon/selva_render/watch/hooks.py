"""What runs when an item of a watch folder is done or has failed: a program, a web address, a notice on the desktop.

A program gets its arguments as they stand in the settings, never through a shell, and the outcome as JSON on its standard
input. A web address gets the same by POST; it is one of this machine or of a host that the settings allow, and redirections
are not followed. Each has run when the journal says so: after a crash in between it is run again.
"""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selva_core.base.child_process import popen_options
from selva_core.base.command_line import selva_command
from selva_core.base.errors import ConfigurationError
from selva_core.base.settings.watched_folder import WatchedFolder
from selva_render.watch.journal_records import DONE, ItemRecord
from selva_render.watch.result_places import PAGE_NAME, REPORT_NAME

SCHEMA = "selva.watch.event/1"
HOOK_TIMEOUT_S = 120.0
WEBHOOK_TIMEOUT_S = 15.0
NOTICE_TIMEOUT_S = 10.0
MAX_SHOWN_CHARS = 300


class HookFailedError(Exception):
    """A hook did not do what it should; the item's outcome stays as it is."""


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """The hooks of one watch folder. webhook_hosts: allowed besides this machine."""

    watched: WatchedFolder
    webhook_hosts: tuple[str, ...] = ()

    @property
    def is_needed(self) -> bool:
        return bool(self.watched.hook or self.watched.webhook or self.watched.notify)

    def run(self, record: ItemRecord) -> list[str]:
        """Run all of them for an ended item; returns a line for each that failed."""
        event = build_event(record)
        steps: Sequence[tuple[str, bool, Callable[[], None]]] = (
            ("hook", bool(self.watched.hook), lambda: run_program(self.watched.hook, event)),
            ("webhook", bool(self.watched.webhook), lambda: self._post(event)),
            ("notice", self.watched.notify, lambda: show_notice(event)),
        )
        failures = []
        for name, is_wanted, step in steps:
            if is_wanted:
                try:
                    step()
                except HookFailedError as error:
                    failures.append(f"the {name} for {event['name']} failed: {error}")
        return failures

    def _post(self, event: Mapping[str, Any]) -> None:
        post_event(self.watched.webhook or "", event, allowed_hosts=self.webhook_hosts)


def build_event(record: ItemRecord) -> dict[str, Any]:
    """The outcome of an item as JSON-able values; `docs/how-to/watch-folder.md` describes them."""
    results = Path(record.results) if record.results else None
    return {
        "schema": SCHEMA,
        "state": record.state,
        "folder": _text(record.folder),
        "name": _text(record.name),
        "source": _text(record.moved_to or record.path),
        "results": None if results is None else _text(results),
        "report": _file_in(results, REPORT_NAME),
        "page": _file_in(results, PAGE_NAME),
        "same_as": record.same_as or None,
        "failures": [] if record.state == DONE else record.reason.splitlines(),
        "note": record.note or None,
        "ended_s": record.changed_s,
    }


def run_program(
    command: Sequence[str], event: Mapping[str, Any], *, timeout_s: float = HOOK_TIMEOUT_S
) -> None:
    """Raises HookFailedError."""
    try:
        done = subprocess.run(  # noqa: S603 - the user's own program, as an argument list
            list(command),
            input=json.dumps(event).encode() + b"\n",
            capture_output=True,
            timeout=timeout_s,
            check=False,
            **popen_options(own_group=True),
        )
    except subprocess.TimeoutExpired as error:
        raise HookFailedError(f"{command[0]} had not ended after {timeout_s:g} s and was ended") from error
    except (OSError, ValueError) as error:
        raise HookFailedError(f"{command[0]} cannot be run: {error}") from error
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][:MAX_SHOWN_CHARS]
        raise HookFailedError(
            f"{command[0]} ended with status {done.returncode}{f': {last}' if last else ''}"
        )


def post_event(address: str, event: Mapping[str, Any], *, allowed_hosts: Iterable[str]) -> None:
    """Raises HookFailedError, also for a host that is not allowed."""
    host = urlsplit(address).hostname or ""
    is_local = is_loopback(host)
    if not is_allowed_host(host, allowed_hosts):
        raise HookFailedError(
            f"{host} is neither this machine nor named in watch_webhook_hosts; nothing was sent"
        )
    request = urllib.request.Request(  # noqa: S310 - http or https, as the settings have checked
        address,
        data=json.dumps(event).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "selva-bridge"},
        method="POST",
    )
    handlers: list[urllib.request.BaseHandler] = [_NoRedirection()]
    if is_local:  # a proxy would look for it on its own machine
        handlers.append(urllib.request.ProxyHandler({}))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=WEBHOOK_TIMEOUT_S) as reply:
            reply.read(1)
    except urllib.error.HTTPError as error:
        error.close()
        raise HookFailedError(f"{host} answered {error.code} {error.reason}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise HookFailedError(f"{host} was not reached: {reason}") from error


def is_allowed_host(host: str, allowed_hosts: Iterable[str]) -> bool:
    """Whether webhooks may be sent to a host: this machine's own, or one that the settings name."""
    return is_loopback(host) or host.lower() in {each.lower() for each in allowed_hosts}


def require_allowed_webhook(address: str, allowed_hosts: Sequence[str]) -> None:
    """Raises ConfigurationError for a host that nothing would be sent to; what is no address is refused as such elsewhere."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return
    if host and not is_allowed_host(host, allowed_hosts):
        command = selva_command("config", "set", "watch_webhook_hosts", ",".join((*allowed_hosts, host)))
        raise ConfigurationError(
            f"webhooks go to this machine and to hosts that watch_webhook_hosts names; {host} is none of them. Allow it with: "
            f"{command}",
            host=host,
        )


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own. Other names are not looked up: they may lead anywhere later."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def show_notice(event: Mapping[str, Any]) -> None:
    """Raises HookFailedError."""
    state = "done" if event["state"] == DONE else "failed"
    command, variables = build_notice_command("Selva", f"{Path(str(event['name'])).name}: {state}")
    if command is None:
        raise HookFailedError("this system has no program that shows notices (notify-send)")
    try:
        subprocess.run(  # noqa: S603 - fixed programs; texts are arguments of their own, or variables
            command,
            env={**os.environ, **variables},
            capture_output=True,
            timeout=NOTICE_TIMEOUT_S,
            check=True,
            **popen_options(),
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise HookFailedError(str(error)) from error


_WINDOWS_NOTICE = (
    "Add-Type -AssemblyName System.Windows.Forms; $icon = New-Object System.Windows.Forms.NotifyIcon; "
    "$icon.Icon = [System.Drawing.SystemIcons]::Information; $icon.Visible = $true; "
    "$icon.ShowBalloonTip(5000, $env:SELVA_NOTICE_TITLE, $env:SELVA_NOTICE_TEXT, 'None'); Start-Sleep 5; $icon.Dispose()"
)


def build_notice_command(
    title: str, text: str, *, platform: str = sys.platform, find: Callable[[str], str | None] = shutil.which
) -> tuple[list[str] | None, dict[str, str]]:
    """The command that shows a notice, and variables for it; None where there is none. No text is part of a script."""
    if platform == "darwin":
        script = [
            "on run argv",
            "display notification (item 1 of argv) with title (item 2 of argv)",
            "end run",
        ]
        lines = [argument for line in script for argument in ("-e", line)]
        return ["/usr/bin/osascript", *lines, "--", text, title], {}
    if platform == "win32":
        variables = {"SELVA_NOTICE_TITLE": title, "SELVA_NOTICE_TEXT": text}
        return ["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", _WINDOWS_NOTICE], variables
    program = find("notify-send")
    return (None if program is None else [program, "--app-name=Selva", "--", title, text]), {}


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    """An allowed host must not send what it gets to another one."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _file_in(folder: Path | None, name: str) -> str | None:
    if folder is None or not (folder / name).is_file():
        return None
    return _text(folder / name)


def _text(path: object) -> str:
    return str(path).encode("utf-8", "backslashreplace").decode()
