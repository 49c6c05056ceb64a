"""docs/daemon.md says what the program does: every setting with its default, every command by its name."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

from selva_cli.cache import cache_app
from selva_cli.daemon import daemon_app
from selva_cli.jobs import jobs_app
from selva_daemon.settings import DaemonSettings

PAGE = (Path(__file__).parents[2] / "docs" / "daemon.md").read_text(encoding="utf-8")


def test_the_page_names_every_setting_with_its_default() -> None:
    settings = PAGE.partition("## Settings")[2].partition("## Folders")[0]
    told = {
        name: json.loads(value) for name, value in re.findall(r"^\| `(\w+)` \| `(.+?)` \|", settings, re.M)
    }
    real = {
        field.name: list(field.default) if isinstance(field.default, tuple) else field.default
        for field in fields(DaemonSettings)
    }
    assert told == real


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
