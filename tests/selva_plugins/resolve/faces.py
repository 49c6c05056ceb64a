"""The two ways our code reaches Resolve, with the same three primitives: the Lua agent and the Python bridge.

The agent is the real file, run as a menu entry; the bridge's part of the conversation is played here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from selva_plugins.hosts.resolve.install import fill_agent
from selva_plugins.hosts.resolve.messages import Message, MessageFolder, PrefsTransport
from selva_plugins.hosts.resolve.placer import place
from selva_plugins.hosts.resolve.remove import remove
from selva_plugins.hosts.resolve.snapshot import take_snapshot
from tests.selva_plugins.resolve.double.host import Host
from tests.selva_plugins.resolve.double.lua import ScriptRun, ScriptsMenu, WindowAnswer
from tests.selva_plugins.resolve.double.remote import FusionScript

AGENT_SOURCE = Path(__file__).parents[3] / "plugins" / "resolve" / "Selva.lua"


class Face(Protocol):
    """Something that takes snapshots, places and removes."""

    def snapshot(self) -> Mapping[str, Any]: ...

    def place(self, plan: Mapping[str, Any]) -> Mapping[str, Any]: ...

    def remove(self) -> None: ...


class PythonFace:
    """The primitives over external scripting, in this process."""

    def __init__(self, host: Host) -> None:
        self.resolve = FusionScript(host).scriptapp("Resolve")

    def snapshot(self) -> Mapping[str, Any]:
        return take_snapshot(self.resolve)

    def place(self, plan: Mapping[str, Any]) -> Mapping[str, Any]:
        return place(self.resolve, plan)

    def remove(self) -> None:
        remove(self.resolve)


class LuaFace:
    """The agent from the Scripts menu; `answer` plays the bridge for each letter."""

    def __init__(self, menu: ScriptsMenu, folder: Path) -> None:
        self.menu = menu
        self.exchange = MessageFolder(folder / "exchange")
        self.exchange.ensure()
        self.prefs = PrefsTransport([menu.prefs.path.parent.parent])
        self.letters: list[Message] = []
        self.answer: Callable[[Message], None] = lambda _letter: None
        self.command: list[str] = []
        self.menu.on_wait = lambda _seconds: self._deliver()
        self.menu.on_window = lambda _window: WindowAnswer("Generate", {"Prompts": "", "Takes": 1})

    def run(self, action: str) -> ScriptRun:
        """Choose a menu entry and let it run to its end."""
        script = self.exchange.folder / f"{action}.lua"
        source = AGENT_SOURCE.read_text(encoding="utf-8")
        script.write_text(
            fill_agent(
                source,
                action=action,
                version="1.2.3",
                exchange=self.exchange.folder,
                command=self.command,
            ),
            encoding="utf-8",
        )
        run = self.menu.run(script)
        self._deliver()
        assert run.error is None
        return run

    def snapshot(self) -> Mapping[str, Any]:
        self.answer = self._refuse_stems
        self.run("generate")
        snapshot: Mapping[str, Any] = self.letters[-1].body["snapshot"]
        return snapshot

    def place(self, plan: Mapping[str, Any]) -> Mapping[str, Any]:
        self.answer = lambda letter: self._hand_out(letter, plan)
        self.run("generate")
        report: Mapping[str, Any] = self.letters[-1].body["report"]
        return report

    def remove(self) -> None:
        self.run("remove")

    def _deliver(self) -> None:
        for letter in [*self.exchange.collect(), *self.prefs.collect()]:
            self.letters.append(letter)
            self.answer(letter)

    def _refuse_stems(self, letter: Message) -> None:
        self.exchange.reply(
            letter.body["request"], {"received": True, "beat": 1, "state": "failed", "title": "no"}
        )

    def _hand_out(self, letter: Message, plan: Mapping[str, Any]) -> None:
        if letter.body["kind"] == "generate":
            answer = {"received": True, "beat": 1, "state": "done", "plan": plan}
        else:
            answer = {"received": True, "beat": 2, "state": "reported"}
        self.exchange.reply(letter.body["request"], answer)
