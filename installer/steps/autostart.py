"""Starting the daemon when the user logs in: what each system is given. Pure texts; `AutostartStep` hands them over."""

from __future__ import annotations

import plistlib
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from foundation.locations import AGENT_LABEL

STOP_TIMEOUT_S = 60
"""The daemon drains for 30 s by default before it goes."""
HANDED_ON = ("SELVA_STATE_DIR", "SELVA_CACHE_DIR", "SELVA_CONFIG_DIR", "SELVA_MODELS_DIR")
"""Variables that the installer saw, and without which a daemon that the system starts uses other folders."""


def daemon_command(python: str) -> list[str]:
    """-I and -X utf8: what other programs set for Python does not reach it."""
    return [python, "-X", "utf8", "-I", "-m", "selva_cli", "daemon", "run"]


def handed_on(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {name: environment[name] for name in HANDED_ON if environment.get(name)}


def quote_for_systemd(text: str, *, is_command: bool = False) -> str:
    """One word of a unit file: quoted, with systemd's own escapes. % begins a specifier, and in commands $ a variable."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("%", "%%")
    return '"' + (quoted.replace("$", "$$") if is_command else quoted) + '"'


def systemd_unit(command: Sequence[str], environment: Mapping[str, str]) -> bytes:
    """A unit of the user's own service manager. A daemon that is stopped by `selva daemon stop` ends well and stays off."""
    program, *arguments = command
    arguments = [
        quote_for_systemd(program, is_command=True),
        *(quote_for_systemd(a, is_command=True) for a in arguments),
    ]
    variables = "".join(
        f"Environment={quote_for_systemd(f'{k}={v}')}\n" for k, v in sorted(environment.items())
    )
    return (
        "[Unit]\nDescription=Selva Bridge: stems for cuts\n"
        "StartLimitIntervalSec=300\nStartLimitBurst=5\n\n"
        f"[Service]\nExecStart={' '.join(arguments)}\n{variables}"
        f"Restart=on-failure\nRestartSec=10\nTimeoutStopSec={STOP_TIMEOUT_S}\n\n"
        "[Install]\nWantedBy=default.target\n"
    ).encode()


def launchd_agent(command: Sequence[str], environment: Mapping[str, str], log: str) -> bytes:
    """A property list of launchd. KeepAlive only after a crash: `selva daemon stop` ends well and stays."""
    return plistlib.dumps(
        {
            "Label": AGENT_LABEL,
            "ProgramArguments": list(command),
            "EnvironmentVariables": dict(environment),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 10,
            "ExitTimeOut": STOP_TIMEOUT_S,
            "ProcessType": "Interactive",  # others are throttled, and rendering would take many times as long
            "StandardOutPath": log,
            "StandardErrorPath": log,
        }
    )


def quote_for_windows(arguments: Sequence[str]) -> str:
    """Words as one line that the C runtime splits again into the same arguments."""
    from subprocess import list2cmdline  # noqa: PLC0415 - its rules are those of Windows on every system

    return list2cmdline(list(arguments))


def scheduled_task(command: Sequence[str], user: str) -> bytes:
    """XML of a task of Windows, in UTF-16 as `schtasks /XML` reads it. It runs as the user, without a window (pythonw), on
    batteries too, and without the three days after which tasks are ended."""
    program, *arguments = command
    text = f"""<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>Selva Bridge: stems for cuts</Description></RegistrationInfo>
  <Triggers><LogonTrigger><Enabled>true</Enabled><UserId>{escape(user)}</UserId></LogonTrigger></Triggers>
  <Principals><Principal id="Author">
    <UserId>{escape(user)}</UserId><LogonType>InteractiveToken</LogonType><RunLevel>LeastPrivilege</RunLevel>
  </Principal></Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>5</Priority>
    <RestartOnFailure><Interval>PT1M</Interval><Count>5</Count></RestartOnFailure>
  </Settings>
  <Actions Context="Author"><Exec>
    <Command>{escape(program)}</Command><Arguments>{escape(quote_for_windows(arguments))}</Arguments>
  </Exec></Actions>
</Task>
"""
    return text.replace("\n", "\r\n").encode("utf-16")
