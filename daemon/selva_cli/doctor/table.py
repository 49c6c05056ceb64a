"""The checks of `selva doctor`, in the order of their lines. A new one is a row here."""

from __future__ import annotations

from selva_cli.doctor import (
    daemon_connection,
    hosts,
    libraries,
    models,
    python_environment,
    storage,
    trial_render,
)
from selva_cli.doctor.finding import Check

_INSTALLATION, _LIBRARIES, _MACHINE, _DAEMON, _HOSTS, _TRIAL = (
    "Installation",
    "Libraries",
    "Settings and disks",
    "Daemon",
    "Hosts",
    "Trial",
)

CHECKS = (
    Check(name="python", group=_INSTALLATION, run=python_environment.check_python),
    Check(name="variables", group=_INSTALLATION, run=python_environment.check_variables),
    Check(name="command", group=_INSTALLATION, run=python_environment.check_command),
    Check(name="packages", group=_INSTALLATION, run=python_environment.check_package),
    Check(name="torch", group=_LIBRARIES, run=libraries.check_torch, limit_s=libraries.LIMIT_S + 5),
    Check(name="media", group=_LIBRARIES, run=libraries.check_media, limit_s=libraries.LIMIT_S + 5),
    Check(name="models", group=_LIBRARIES, run=models.check_models),
    Check(name="memory", group=_MACHINE, run=libraries.check_memory),
    Check(name="settings", group=_MACHINE, run=storage.check_settings),
    Check(name="disks", group=_MACHINE, run=storage.check_disks),
    Check(name="permissions", group=_MACHINE, run=storage.check_permissions, limit_s=30.0),
    Check(name="clock", group=_MACHINE, run=storage.check_clock),
    Check(name="daemon", group=_DAEMON, run=daemon_connection.check_daemon, limit_s=20.0),
    Check(name="ports", group=_DAEMON, run=daemon_connection.check_ports),
    Check(name="reaper", group=_HOSTS, run=hosts.check_reaper, limit_s=40.0),
    Check(name="resolve", group=_HOSTS, run=hosts.check_resolve, limit_s=60.0),
    Check(name="script-languages", group=_HOSTS, run=hosts.check_script_languages),
    Check(name="render", group=_TRIAL, run=trial_render.check_render, limit_s=trial_render.LIMIT_S + 40),
)
