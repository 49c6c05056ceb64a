"""From the menu entry to placed stems in one process tree: agent under real Lua, real watch, real daemon."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_plugins.bridge import answer_request
from selva_plugins.hosts.resolve.agent.messages import MessageFolder, PrefsTransport
from selva_plugins.hosts.resolve.agent.watch import ResolveWatch
from selva_plugins.hosts.resolve.homes import ResolveHome
from selva_plugins.hosts.resolve.install import install_agent
from tests.selva_plugins.resolve.access import AGENT_SOURCE
from tests.selva_plugins.resolve.double.lua import ScriptRun, ScriptsMenu, WindowAnswer

# How long a wait of the agent really takes; its own clock goes on by what it asked for.
MAX_WAIT_S = 0.02


@dataclass
class Conversation:
    """A Resolve with the agent installed, and a watch that answers it whenever the agent waits."""

    menu: ScriptsMenu
    home: ResolveHome
    watch: ResolveWatch
    lines: list[str] = field(default_factory=list)
    is_watching: bool = True
    max_wait_s: float = MAX_WAIT_S
    on_wait: Callable[[], None] = lambda: None

    def choose(self, title: str) -> ScriptRun:
        """Workspace > Scripts > Selva > title."""
        run = self.menu.run(self.home.menu_folder / f"{title}.lua")
        assert run.error is None
        if self.is_watching:
            self.watch.step()
        return run

    def type_prompts(self, *lines: str, takes: int = 1) -> None:
        """What the user types whenever the window opens."""
        self.menu.on_window = lambda _window: WindowAnswer(
            "Generate", {"Prompts": "\n".join(lines), "Takes": takes}
        )

    def _wait(self, seconds: float) -> None:
        time.sleep(min(seconds, self.max_wait_s))
        self.on_wait()
        if self.is_watching:
            self.watch.step()


def open_conversation(menu: ScriptsMenu, folder: Path, paths: AppPaths) -> Conversation:
    """Install the agent and start a watch that uses the daemon of these paths."""
    home = ResolveHome("DaVinci Resolve", folder / "Fusion", MessageFolder(folder / "exchange"))
    menu.prefs.path = home.profiles_folder / "Default" / "Fusion.prefs"
    install_agent(home, AGENT_SOURCE, version="0.1.0", command=[])
    lines: list[str] = []
    watch = ResolveWatch(
        exchange=home.exchange,
        prefs=PrefsTransport([home.profiles_folder]),
        print_line=lines.append,
        answer=partial(answer_request, connect=partial(Client.connect, paths=paths)),
        projects_folder=folder / "Videos",
        defaults={"model": "selva-echo"},
    )
    watch.start()
    conversation = Conversation(menu=menu, home=home, watch=watch, lines=lines)
    menu.on_wait = conversation._wait
    return conversation
