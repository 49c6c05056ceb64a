"""Resolve for menu scripts: runs one under a real Lua interpreter and answers its calls from the model."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.selva_plugins.resolve.double.fusion import FusionPrefs
from tests.selva_plugins.resolve.double.host import Handle, Host
from tests.selva_plugins.resolve.double.interpreters import lua_command

_HOST_SCRIPT = Path(__file__).with_name("lua_host.lua")
MAX_CALLS_BETWEEN_WAITS = 400
_MAX_WAITS = 20_000


@dataclass
class WindowAnswer:
    """What a person does in a window: types into fields, clicks a button ("" closes it)."""

    click: str
    fields: dict[str, str | int | bool] = field(default_factory=dict)


@dataclass
class ScriptRun:
    """What a finished menu script left behind."""

    printed: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    windows: list[dict[str, Any]] = field(default_factory=list)
    num_waits: int = 0
    most_calls_between_waits: int = 0
    error: str | None = None

    @property
    def text(self) -> str:
        return "\n".join(self.printed)


class ScriptsMenu:
    """Workspace > Scripts of one Resolve."""

    def __init__(self, host: Host, prefs: FusionPrefs, *, interpreter: str) -> None:
        self.host = host
        self.prefs = prefs
        self.interpreter = interpreter
        self.sandboxed = host.build.sandboxed
        self.environment: dict[str, str] = {}
        self.on_wait: Callable[[float], None] = lambda _seconds: None
        self.on_execute: Callable[[str], int] = lambda _command: 0
        self.on_window: Callable[[dict[str, Any]], WindowAnswer] = lambda _window: WindowAnswer("")

    def run(self, script: Path) -> ScriptRun:
        """Run one menu script to its end; Lua errors are in the result, as the Console would show them."""
        mode = "sandbox" if self.sandboxed else "open"
        process = subprocess.Popen(
            lua_command(self.interpreter, _HOST_SCRIPT, str(script), mode),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **self.environment},
        )
        session = _Session(self)
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            for line in process.stdout:
                message = json.loads(line.decode("utf-8", errors="surrogateescape"))
                reply = _as_lua(session.answer(message))
                process.stdin.write(reply.encode("utf-8", errors="surrogateescape") + b"\n")
                process.stdin.flush()
                if message["op"] == "done":
                    break
        finally:
            if session.broken:
                process.kill()
            if process.stdin is not None:
                process.stdin.close()
            if process.stdout is not None:
                process.stdout.close()
            process.wait(timeout=10)
        return session.run


@dataclass(frozen=True)
class _Reference:
    number: int
    kind: str


class _Session:
    def __init__(self, menu: ScriptsMenu) -> None:
        self.menu = menu
        self.host = menu.host
        self.run = ScriptRun()
        self.broken = True
        self._handles: list[Handle] = [menu.host.resolve_handle()]
        self._calls_since_wait = 0
        self._now_s = time.time()

    def answer(self, message: dict[str, Any]) -> Any:
        result = getattr(self, "_on_" + message["op"])(message)
        self.broken = message["op"] != "done"
        return result

    def _on_look(self, message: dict[str, Any]) -> str | float:
        handle = self._handles[message["object"]["__object"]]
        what = self.host.attribute(handle, message["name"])
        return self.host.constant(message["name"]) if what == "constant" else what

    def _on_call(self, message: dict[str, Any]) -> Any:
        self._calls_since_wait += 1
        self.run.most_calls_between_waits = max(self.run.most_calls_between_waits, self._calls_since_wait)
        handle = self._handles[message["object"]["__object"]]
        return self._out(self.host.call(handle, message["name"], self._arguments(message)))

    def _on_same(self, message: dict[str, Any]) -> bool:
        left, right = (self._handles[message[side]["__object"]] for side in ("left", "right"))
        return left.target is right.target

    def _on_fusion(self, message: dict[str, Any]) -> Any:
        prefs, arguments = self.menu.prefs, self._arguments(message)
        if not self.host.running:
            self.host.violations.append(f"fusion:{message['name']} while Resolve quits can crash it")
            return None
        if message["name"] == "GetPrefs":
            return prefs.get(arguments[0])
        if message["name"] == "SetPrefs":
            prefs.set(*arguments)
            return True
        if message["name"] == "SavePrefs":
            prefs.save(*arguments)
            return None
        return arguments[0].replace("Profile:", f"{prefs.path.parent}{os.sep}")

    def _on_ui(self, _message: dict[str, Any]) -> bool:
        if not self.host.build.windows_allowed:
            self.host.modal = "UIManager needs DaVinci Resolve Studio"
            self.host.violations.append("UIManager was touched where it opens a sales dialog")
            return False
        return True

    def _on_window(self, message: dict[str, Any]) -> dict[str, Any]:
        self._calls_since_wait = 0
        self.run.windows.append(message)
        answer = self.menu.on_window(message)
        return {"click": answer.click, "set": answer.fields}

    def _on_wait(self, message: dict[str, Any]) -> None:
        self.run.num_waits += 1
        self._calls_since_wait = 0
        if self.run.num_waits > _MAX_WAITS:
            raise AssertionError("the script never stops waiting")
        self._now_s += float(message["seconds"])
        self.menu.on_wait(float(message["seconds"]))

    def _on_time(self, _message: dict[str, Any]) -> float:
        return self._now_s

    def _on_uuid(self, _message: dict[str, Any]) -> str:
        return str(uuid.uuid4())

    def _on_direxists(self, message: dict[str, Any]) -> bool:
        return Path(message["path"]).is_dir()

    def _on_execute(self, message: dict[str, Any]) -> int:
        self.run.commands.append(message["command"])
        return self.menu.on_execute(message["command"])

    def _on_print(self, message: dict[str, Any]) -> None:
        self.run.printed.append(message["text"])

    def _on_violation(self, message: dict[str, Any]) -> None:
        self.host.violations.append(message["text"])

    def _on_done(self, message: dict[str, Any]) -> None:
        self.run.error = message.get("error")

    # -- values -------------------------------------------------------------------------------------------

    def _arguments(self, message: dict[str, Any]) -> list[Any]:
        """Each argument travels in a list of its own, so that a nil stays in its place."""
        return [self._in(box[0]) if box else None for box in message["arguments"]]

    def _in(self, value: Any) -> Any:
        if isinstance(value, dict):
            if "__object" in value:
                return self._handles[value["__object"]]
            if "__unsendable" in value:
                self.host.violations.append(f"a {value['__unsendable']} was passed to Resolve")
                return None
            return {key: self._in(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._in(item) for item in value]
        return value

    def _out(self, value: Any) -> Any:
        if isinstance(value, Handle):
            self._handles.append(value)
            return _Reference(len(self._handles) - 1, value.kind)
        if isinstance(value, list):
            items: list[Any] = [self._out(item) for item in value]
            return _FlaggedList(items) if self.host.build.lua_list_flags else items
        if isinstance(value, dict):
            return {key: self._out(item) for key, item in value.items()}
        return value


class _FlaggedList(list[Any]):
    """A list that reaches Lua with the extra key `__flags`."""


def _as_lua(value: Any) -> str:
    """A Lua literal on one line."""
    if value is None or isinstance(value, bool):
        return {None: "nil", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return '"' + "".join(_LUA_ESCAPES.get(c, c) for c in value) + '"'
    if isinstance(value, _Reference):
        return f'object({value.number},"{value.kind}")'
    if isinstance(value, Mapping):
        return "{" + ",".join(f"[{_as_lua(key)}]={_as_lua(item)}" for key, item in value.items()) + "}"
    flags = ",__flags=4194304" if isinstance(value, _FlaggedList) else ""
    return "{" + ",".join(_as_lua(item) for item in value) + flags + "}"


_LUA_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\0": "\\0"}
