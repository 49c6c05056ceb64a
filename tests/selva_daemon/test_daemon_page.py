"""docs/operation/daemon.md describes the program: every command by its name (its table of settings is made from the code)."""

from __future__ import annotations

import re
from pathlib import Path

from selva_cli.commands.cache import cache_app
from selva_cli.commands.daemon import daemon_app
from selva_cli.commands.jobs import jobs_app

PAGE = (Path(__file__).parents[2] / "docs" / "operation" / "daemon.md").read_text(encoding="utf-8")


def test_the_page_names_every_command() -> None:
    commands = PAGE.partition("## Commands")[2].partition("## Settings")[0]
    for group, app in (("daemon", daemon_app), ("jobs", jobs_app), ("cache", cache_app)):
        lines = " ".join(line for line in commands.splitlines() if f"`selva {group} " in line)
        named = set(re.findall(r"`(?:selva \w+ )?([\w]+)`", lines.replace(" | ", " ")))
        real = {
            command.name or (command.callback.__name__ if command.callback else "")
            for command in app.registered_commands
        }
        assert real <= named, group
