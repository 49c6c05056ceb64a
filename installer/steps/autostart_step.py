"""Handing the texts of `autostart` to the system, and taking them back."""

from __future__ import annotations

import contextlib
from pathlib import Path

from environment import SetupError
from foundation import locations
from foundation.record import write_whole
from steps import autostart
from steps.setup import Setup
from steps.step import Step


class AutostartStep(Step):
    """A systemd user unit, a launchd agent or a scheduled task."""

    name, title = "autostart", "start the daemon at log-in"

    def plan(self, setup: Setup) -> list[str]:
        if not setup.choices.autostart:
            return []
        path = locations.autostart_file(setup.machine, setup.prefix)
        task = [f"register the task {locations.TASK_NAME}"] if setup.machine.is_windows else []
        return [f"write {path}", *task]

    def is_done(self, setup: Setup) -> bool:
        if not setup.choices.autostart:
            return not setup.record.made(self.name)
        path = locations.autostart_file(setup.machine, setup.prefix)
        is_there = path.is_file() and path.read_bytes() == self._text(setup)
        return setup.record.is_finished(self.name) and is_there

    def apply(self, setup: Setup) -> None:
        if not setup.choices.autostart:  # it was asked for once, and now is not
            self.undo(setup)
            setup.record.forget(self.name)
            setup.record.begin(self.name)
            return
        path = locations.autostart_file(setup.machine, setup.prefix)
        self._check_manager(setup)
        variables = autostart.handed_on(setup.machine.environment)
        if variables and setup.machine.is_windows:
            setup.note(
                f"a scheduled task cannot be given variables: set {', '.join(variables)} for your account, or use the "
                "settings of the same names"
            )
        folders = [folder for folder in path.parents if not folder.exists()]
        wanted = path.parent / "default.target.wants"
        setup.record.will_make(self.name, path, *folders, *([] if wanted.exists() else [wanted]))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, self._text(setup))
        for command in self._register_commands(setup, path):
            setup.runner.run(command, purpose="the daemon could not be registered to start at log-in")

    def undo(self, setup: Setup) -> None:
        path = locations.autostart_file(setup.machine, setup.prefix)
        for command in self._unregister_commands(setup, path):
            setup.runner.run(command)
        made = setup.record.made(self.name)
        if path in made:
            setup.remove_tree(path)
        if not (setup.machine.is_windows or setup.machine.is_mac):
            setup.runner.run(["systemctl", "--user", "daemon-reload"])
        for folder in sorted(made, key=lambda item: -len(item.parts)):
            with contextlib.suppress(OSError):  # others use it by now
                folder.rmdir()

    def _check_manager(self, setup: Setup) -> None:
        """Raises SetupError where systemd has no manager for this user, as in containers and on other init systems."""
        if setup.machine.is_windows or setup.machine.is_mac:
            return
        if setup.runner.run(["systemctl", "--user", "show-environment"]).status != 0:
            raise SetupError(
                "starting at log-in needs systemd's manager of the user, which does not answer here; leave out --autostart: "
                "the daemon also starts by itself when a host or a command needs it"
            )

    def _text(self, setup: Setup) -> bytes:
        environment = setup.current_environment
        assert environment is not None, "an earlier step makes it"
        python, variables = setup.python_of(environment), autostart.handed_on(setup.machine.environment)
        if setup.machine.is_windows:
            return autostart.scheduled_task(
                autostart.daemon_command(str(python.with_name("pythonw.exe"))), _windows_user(setup)
            )
        command = autostart.daemon_command(str(python))
        if setup.machine.is_mac:
            return autostart.launchd_agent(command, variables, str(setup.prefix / "autostart.log"))
        return autostart.systemd_unit(command, variables)

    def _register_commands(self, setup: Setup, path: Path) -> list[list[str]]:
        if setup.machine.is_windows:
            return [["schtasks", "/Create", "/TN", locations.TASK_NAME, "/XML", str(path), "/F"]]
        if setup.machine.is_mac:
            domain = f"gui/{setup.machine.user_id}"
            setup.runner.run(
                ["launchctl", "bootout", f"{domain}/{locations.AGENT_LABEL}"]
            )  # an earlier version's
            return [["launchctl", "bootstrap", domain, str(path)]]
        return [
            ["systemctl", "--user", "daemon-reload"],
            ["systemctl", "--user", "enable", locations.UNIT_NAME],
        ]

    def _unregister_commands(self, setup: Setup, path: Path) -> list[list[str]]:
        if setup.machine.is_windows:
            return [["schtasks", "/Delete", "/TN", locations.TASK_NAME, "/F"]]
        if setup.machine.is_mac:
            return [["launchctl", "bootout", f"gui/{setup.machine.user_id}/{locations.AGENT_LABEL}"]]
        return [["systemctl", "--user", "disable", "--now", locations.UNIT_NAME]] if path.exists() else []


def _windows_user(setup: Setup) -> str:
    environment = setup.machine.environment
    domain, name = environment.get("USERDOMAIN", ""), environment.get("USERNAME", "")
    return f"{domain}\\{name}" if domain else name
