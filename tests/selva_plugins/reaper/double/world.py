"""REAPER itself, as far as scripts can tell: projects, windows, clocks, processes, and the loop that runs deferred functions."""

from __future__ import annotations

import codecs
import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from . import (
    dialog_functions,
    envelope_functions,
    item_functions,
    project_functions,
    system_functions,
    track_functions,
)
from .canvas import Canvas
from .dialog_functions import InputDialog
from .imgui_functions import IMGUI_SIGNATURES
from .osara_functions import OSARA_SIGNATURES, say
from .projects import OpenProjects
from .registry import FUNCTIONS, Call, RuleViolation
from .system import Profile
from .table import Signature, load_gfx_signatures, load_signatures, signatures_of

_FUNCTION_ROOMS = (
    dialog_functions,
    envelope_functions,
    item_functions,
    project_functions,
    system_functions,
    track_functions,
)

LUA_VERSIONS = ("5.3", "5.4")
PRELUDE = Path(__file__).with_name("prelude.lua").read_bytes()


class Pointer:
    """What a script holds: opaque, equal to itself only."""

    __slots__ = ("kind", "target")

    def __init__(self, kind: str, target: object) -> None:
        self.kind = kind
        self.target = target


@dataclass
class Script:
    """One running script with its own Lua state."""

    path: str
    guarded: Callable[..., Any]
    canvas: Canvas = field(default_factory=Canvas)
    deferred: list[Any] = field(default_factory=list)
    at_exit: list[Any] = field(default_factory=list)
    options: int = 0
    is_over: bool = False
    error: str | None = None


class World(OpenProjects):
    """The double. Tests build projects, run scripts, tick, edit as a user would, and end with `assert_clean`."""

    def __init__(self, profile: Profile, home: Path) -> None:
        super().__init__(profile, home)
        self.resource_folder = home / "REAPER"
        self.resource_folder.mkdir(parents=True, exist_ok=True)
        self.clock_s = 1000.0
        self.is_real_time = False
        self.violations: list[str] = []
        self.messages: list[str] = []
        self.console = ""
        self.message_answers: list[int] = []
        self.input_answers: list[Callable[[InputDialog], list[str] | None]] = []
        self.input_dialogs: list[InputDialog] = []
        self.save_path: Path | None = None
        self.spoken: list[str] = []
        self.ext_state: dict[tuple[str, str], tuple[str, bool]] = {}
        self.num_peaks_built = 0
        self.peaks_left: dict[int, int] = {}
        self.failing: dict[str, int] = {}
        self.listings: dict[str, list[str]] = {}
        self.refresh_depth = 0
        self._closed_canvas = Canvas()
        self.scripts: list[Script] = []
        self.current: Script | None = None
        self._pointers: dict[int, Pointer] = {}

    def record_violation(self, text: str) -> None:
        self.violations.append(text)

    def fail(self, name: str, *, after: int = 0) -> None:
        """Let a function report failure once, after that many successes."""
        self.failing[name] = after

    # Running scripts --------------------------------------------------------------------------------------------------

    def run_script(self, path: Path) -> Script:
        """What triggering the action does: a running instance is ended first where it has set that option."""
        for running in [script for script in self.scripts if script.path == str(path) and not script.is_over]:
            if running.options & 1:
                self._end(running)
            else:
                self.messages.append("ReaScript task control")
        script = self._load(path)
        self.scripts.append(script)
        chunk = _read_chunk(path)
        self._call(script, lambda: script.run_chunk(chunk))  # type: ignore[attr-defined]
        return script

    def tick(self, count: int = 1, *, seconds: float = 1 / 30) -> None:
        """Let time pass: run what scripts deferred, as REAPER does about thirty times per second."""
        for _ in range(count):
            if self.is_real_time:
                time.sleep(seconds)
            else:
                self.clock_s += seconds
            for script in list(self.scripts):
                script.canvas.begin_tick()
                deferred, script.deferred = script.deferred, []
                for call in deferred:
                    if not script.is_over:
                        self._call(script, call)
                script.canvas.end_tick()

    def tick_until(
        self, is_done: Callable[[], bool], *, limit_s: float = 60.0, seconds: float = 1 / 30
    ) -> None:
        waited_s = 0.0
        while not is_done():
            self.assert_clean()
            if waited_s > limit_s:
                raise AssertionError(
                    f"nothing happened in {limit_s} s; the window says {self.canvas.texts()}"
                )
            self.tick(seconds=seconds)
            waited_s += seconds

    def quit(self) -> None:
        """Close REAPER: scripts end, extension state that is not persistent is lost; projects stay for `add_project` to open."""
        for script in self.scripts:
            self._end(script)
        self.scripts.clear()
        self.ext_state = {key: value for key, value in self.ext_state.items() if value[1]}

    @property
    def canvas(self) -> Canvas:
        """The window on top: each script has one of its own."""
        open_ones = [script.canvas for script in self.scripts if script.canvas.title is not None]
        return open_ones[-1] if open_ones else self._closed_canvas

    @property
    def is_idle(self) -> bool:
        return all(script.is_over or not script.deferred for script in self.scripts)

    def assert_clean(self) -> None:
        errors = [script.error for script in self.scripts if script.error]
        assert not self.violations, self.violations
        assert not errors, errors[0]

    def _load(self, path: Path) -> Script:
        lua = importlib.import_module(f"lupa.lua{self.profile.lua.replace('.', '')}")
        runtime = lua.LuaRuntime(
            encoding=None,
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
            attribute_filter=_refuse_attributes,
        )
        script = Script(path=str(path), guarded=lambda: None)
        host = runtime.table_from(
            {
                b"functions": runtime.table_from(
                    {name.encode(): self._bind(script, name) for name in self._signatures}
                ),
                b"gfx_functions": runtime.table_from(
                    {name.encode(): self._bind_gfx(script, name) for name in load_gfx_signatures()}
                ),
                b"record_violation": lambda text: self.record_violation(_as_text(text)),
                b"give_gfx": script.canvas.attach,
                b"real_path": self.real_path_for_lua,
                b"refuses_rename": self.refuses_rename,
                b"path_separator": b"\\" if self.profile.is_windows else b"/",
            }
        )
        script.guarded = runtime.execute(PRELUDE, host)
        chunk_name = f"@{path}".encode()
        loader = runtime.eval(b"function(text, name) return assert(load(text, name)) end")
        script.run_chunk = lambda text: loader(text, chunk_name)()  # type: ignore[attr-defined]
        return script

    @cached_property
    def _signatures(self) -> dict[str, Signature]:
        """What this version of REAPER has, with its extensions."""
        known = signatures_of(self.profile.version, load_signatures())
        if self.profile.has_imgui:
            known |= IMGUI_SIGNATURES
        if self.profile.has_osara:
            known |= OSARA_SIGNATURES
        return known

    def _call(self, script: Script, call: Callable[[], Any]) -> None:
        self.current = script
        result = script.guarded(call)
        self.current = None
        is_ok, *rest = result if isinstance(result, tuple) else (result,)
        if not is_ok:
            script.error = _as_text(rest[0]) if rest else "error"
            self._end(script)
        self._check_balance(script)
        if not script.deferred and not script.is_over:
            self._end(script)

    def _end(self, script: Script) -> None:
        if script.is_over:
            return
        script.is_over = True
        script.deferred.clear()
        self.current = script
        for call in script.at_exit:
            result = script.guarded(call)
            if not (result[0] if isinstance(result, tuple) else result):
                script.error = script.error or f"in atexit: {result!r}"
        self.current = None

    def _check_balance(self, script: Script) -> None:
        for project in self.projects:
            if project.block_before is not None:
                self.violations.append(
                    f"{script.path}: an undo block was left open at the end of a defer cycle"
                )
                project.block_before = None
        if self.refresh_depth != 0:
            self.violations.append(f"{script.path}: PreventUIRefresh was left at {self.refresh_depth}")
            self.refresh_depth = 0
        for view in sorted(self.stale_views):
            self.violations.append(f"{script.path}: the {view} was not updated after an edit")
        self.stale_views.clear()

    # Calls from Lua ---------------------------------------------------------------------------------------------------

    def _bind(self, script: Script, name: str) -> Callable[..., Any]:
        signature = self._signatures[name]

        def call(count: int, *values: Any) -> Any:
            self.current = script
            try:
                function = FUNCTIONS.get(name) or self._extension_function(name)
                if function is None:
                    raise RuleViolation(
                        "the double does not simulate this function; add it when a script needs it"
                    )
                arguments = Call(self, signature, count, values).check()
                if self._fails_now(name):
                    results: tuple[Any, ...] = tuple(_failure(kind) for kind in signature.returns)
                else:
                    results = _as_tuple(function(self, *arguments))
                return True, *self._to_lua(signature.returns, results)
            except RuleViolation as violation:
                message = f"{name}: {violation}"
            except Exception as error:  # Lua would hide where it came from
                message = f"{name}: the double or the test failed: {error!r}"
            self.violations.append(message)
            return False, message.encode()

        return call

    def _extension_function(self, name: str) -> Callable[..., Any] | None:
        if name in OSARA_SIGNATURES:
            return say
        if name not in IMGUI_SIGNATURES:
            return None
        return lambda world, *arguments: self.imgui.call(world, name, list(arguments))

    def _bind_gfx(self, script: Script, name: str) -> Callable[..., Any]:
        signature = load_gfx_signatures()[name]

        def call(count: int, *values: Any) -> Any:
            try:
                arguments = Call(self, signature, count, values).check()
                return True, *_as_tuple(script.canvas.call(name, arguments))
            except (RuleViolation, RuntimeError) as violation:
                message = f"gfx.{name}: {violation}"
                self.violations.append(message)
                return False, message.encode()

        return call

    def _fails_now(self, name: str) -> bool:
        if name not in self.failing:
            return False
        self.failing[name] -= 1
        if self.failing[name] >= 0:
            return False
        del self.failing[name]
        return True

    def _to_lua(self, kinds: tuple[str, ...], results: tuple[Any, ...]) -> Iterator[Any]:
        for kind, value in zip(kinds, results, strict=False):
            if value is None:
                yield None
            elif kind.startswith("string"):
                yield _as_bytes(value)
            elif kind.startswith("number"):
                yield float(value)
            elif kind.startswith("integer"):
                yield int(value)
            elif kind.startswith("boolean"):
                yield bool(value)
            else:
                yield self.pointer(kind, value)

    def pointer(self, kind: str, target: object) -> Pointer:
        known = self._pointers.get(id(target))
        if known is None or known.target is not target:
            known = self._pointers[id(target)] = Pointer(kind, target)
        return known

    def now_s(self) -> float:
        return time.monotonic() if self.is_real_time else self.clock_s


def _refuse_attributes(target: object, name: object, is_setting: bool) -> str:
    raise AttributeError("attempt to index a userdata value")


def _read_chunk(path: Path) -> bytes:
    """What Lua takes of a script file: no byte order mark, and no first line that begins with #."""
    text = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    return text[text.index(b"\n") :] if text.startswith(b"#") else text


def _as_tuple(result: object) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def _failure(kind: str) -> object:
    return {"boolean": False, "integer": 0, "number": 0.0}.get(kind)


def _as_text(value: Any) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _as_bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
