"""The two ways our code reaches Resolve, with the same three primitives: the Lua agent, and external scripting from Python.

The agent is the real one, run as a menu entry; the bridge's part of the conversation is played here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from selva_plugins.hosts.resolve.agent.messages import Message, MessageFolder, PrefsTransport
from selva_plugins.hosts.resolve.install import fill_agent, load_agent_source
from selva_plugins.hosts.resolve.plan_schema import PlacementPlan, PlacementReport
from selva_plugins.hosts.resolve.scripting.placement import place
from selva_plugins.hosts.resolve.scripting.removal import remove
from selva_plugins.hosts.resolve.scripting.timeline_reader import take_snapshot
from tests.selva_plugins.resolve.double.host import Host
from tests.selva_plugins.resolve.double.lua import ScriptRun, ScriptsMenu, WindowAnswer
from tests.selva_plugins.resolve.double.remote import FusionScript

AGENT_SOURCE = load_agent_source()


class Access(Protocol):
    """Something that takes snapshots (as JSON), places and removes."""

    def snapshot(self) -> dict[str, Any]: ...

    def place(self, plan: PlacementPlan) -> PlacementReport: ...

    def remove(self) -> None: ...


class StudioAccess:
    """The primitives over external scripting, in this process."""

    def __init__(self, host: Host) -> None:
        self.resolve = FusionScript(host).scriptapp("Resolve")

    def snapshot(self) -> dict[str, Any]:
        return take_snapshot(self.resolve)

    def place(self, plan: PlacementPlan) -> PlacementReport:
        return place(self.resolve, plan)

    def remove(self) -> None:
        remove(self.resolve)


class AgentAccess:
    """The agent from the Scripts menu; `answer` plays the bridge for each message."""

    def __init__(self, menu: ScriptsMenu, folder: Path) -> None:
        self.menu = menu
        self.exchange = MessageFolder(folder / "exchange")
        self.exchange.ensure()
        self.prefs = PrefsTransport([menu.prefs.path.parent.parent])
        self.messages: list[Message] = []
        self.answer: Callable[[Message], None] = lambda _message: None
        self.command: list[str] = []
        self.menu.on_wait = lambda _seconds: self._deliver()
        self.menu.on_window = lambda _window: WindowAnswer("Generate", {"Prompts": "", "Takes": 1})

    def run(self, action: str) -> ScriptRun:
        """Choose a menu entry and let it run to its end."""
        script = self.exchange.folder / f"{action}.lua"
        filled = fill_agent(
            AGENT_SOURCE,
            action=action,
            version="1.2.3",
            exchange=self.exchange.folder,
            command=self.command,
        )
        script.write_text(filled, encoding="utf-8")
        run = self.menu.run(script)
        self._deliver()
        assert run.error is None
        return run

    def snapshot(self) -> dict[str, Any]:
        self.answer = self.refuse_stems
        self.run("generate")
        snapshot: dict[str, Any] = self.messages[-1].body["snapshot"]
        return snapshot

    def place(self, plan: PlacementPlan) -> PlacementReport:
        self.answer = lambda message: self.hand_out(message, plan)
        self.run("generate")
        return PlacementReport.from_json(self.messages[-1].body["report"])

    def remove(self) -> None:
        self.run("remove")

    def refuse_stems(self, message: Message) -> None:
        """The bridge's answer when nothing can be made."""
        self.reply(message, {"received": True, "beat": 1, "state": "failed", "title": "no"})

    def hand_out(self, message: Message, plan: PlacementPlan) -> None:
        """The bridge's answers when the plan is ready at once, and when it was placed."""
        if message.body["kind"] == "generate":
            self.reply(message, {"received": True, "beat": 1, "state": "done", "plan": plan.to_json()})
        else:
            self.reply(message, {"received": True, "beat": 2, "state": "reported"})

    def reply(self, message: Message, answer: Mapping[str, Any]) -> None:
        self.exchange.reply(message.body["request"], answer)

    def _deliver(self) -> None:
        for message in [*self.exchange.collect(), *self.prefs.collect()]:
            self.messages.append(message)
            self.answer(message)
