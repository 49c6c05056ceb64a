"""The running Resolve: handles, versions, stale objects, dialogs, and what a script did wrong.

Scripts reach it in two ways, through `remote` (Python, as external scripting gives it) and through `lua` (the Scripts menu);
both end in `Host.call`. Misuse that Resolve would ignore without a word is listed in `violations`, and the fixture fails the
test for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.answers import DeadItem, Opened, Refused
from tests.selva_plugins.resolve.double.builds import Build
from tests.selva_plugins.resolve.double.project_calls import PROJECT_CALLS
from tests.selva_plugins.resolve.double.surface import exists_in, load_surface
from tests.selva_plugins.resolve.double.timeline_calls import TIMELINE_CALLS

_KINDS: dict[type, str] = {
    model.Project: "Project",
    model.Folder: "Folder",
    model.Media: "MediaPoolItem",
    model.Timeline: "Timeline",
    model.Item: "TimelineItem",
}
_GATED_IN_FREE = frozenset(
    {"GenerateSpeech", "TranscribeAudio", "CreateSubtitlesFromAudio", "DetectSceneCuts"}
)


@dataclass(frozen=True)
class Handle:
    """What a script holds: the object, and which project and timeline were open when it got it."""

    kind: str
    target: Any
    project_epoch: int = 0
    timeline_epoch: int = 0


class Host:
    """One Resolve with one project open."""

    def __init__(self, build: Build, project: model.Project) -> None:
        self.build = build
        self.project: model.Project = project
        self.other_projects: list[model.Project] = []
        self.page = "edit"
        self.modal: str | None = None
        self.running = True
        self.hangs_on: set[str] = set()
        self.violations: list[str] = []
        self.stale_calls: list[str] = []
        self.calls: Counter[str] = Counter()
        self.on_call: Callable[[str, str], None] = lambda _kind, _name: None
        self._surface = load_surface()
        self._project_epoch = 0
        self._timeline_epoch = 0
        self._implementations = {**PROJECT_CALLS, **TIMELINE_CALLS}

    # -- what a script sees -------------------------------------------------------------------------------

    def resolve_handle(self) -> Handle:
        return Handle("Resolve", self)

    def attribute(self, handle: Handle, name: str) -> str:
        """'method', 'constant' or 'missing' for a name on an object of this version; unknown names are
        violations.
        """
        if not self._surface.knows(handle.kind, name):
            self.violations.append(f"{handle.kind}.{name}: no version of Resolve has this")
            return "missing"
        if handle.kind == "Resolve" and name in self._surface.constants:
            return "constant"
        return "method" if exists_in(handle.kind, name, self.build.version) else "missing"

    def constant(self, name: str) -> float:
        return self._surface.constants[name]

    def method_names(self, kind: str) -> list[str]:
        return sorted(
            name for name in self._surface.methods[kind] if exists_in(kind, name, self.build.version)
        )

    def call(self, handle: Handle, name: str, arguments: list[Any]) -> Any:
        """Do what Resolve does; answers are wrapped as handles.

        Never raises where Resolve would not.
        """
        self.calls[name] += 1
        self.on_call(handle.kind, name)
        misuse = self._find_misuse(handle, name, len(arguments))
        if misuse is not None:
            self.violations.append(misuse)
            return None
        if not self.running:
            return None
        if self.modal is None and self.build.edition == "free" and name in _GATED_IN_FREE:
            self.modal = f"{name} needs DaVinci Resolve Studio"
        if self.modal is not None:
            return False
        if self._is_stale(handle):
            self.stale_calls.append(f"{handle.kind}.{name}")
            return None
        implementation = self._implementations[handle.kind][name]
        try:
            return self.wrap(implementation(self, handle.target, *[self._unwrap(a) for a in arguments]))
        except Refused as refusal:
            return refusal.answer

    def _find_misuse(self, handle: Handle, name: str, num_arguments: int) -> str | None:
        """How our code called wrongly, as a sentence; None when it called rightly."""
        if self.attribute(handle, name) != "method":
            return f"{handle.kind}.{name} was called, and this version does not have it"
        if not any(arity.allows(num_arguments) for arity in self._surface.methods[handle.kind][name]):
            return f"{handle.kind}.{name} was called with {num_arguments} arguments"
        if name not in self._implementations.get(handle.kind, {}):
            return f"the double has no {handle.kind}.{name}"
        return None

    # -- what happens around a script ---------------------------------------------------------------------

    def dismiss_modal(self) -> None:
        self.modal = None

    def quit(self) -> None:
        self.running = False

    def switch_project(self, project: model.Project) -> None:
        self.project = project
        self._project_epoch += 1
        self._timeline_epoch += 1

    def switch_timeline(self, timeline: model.Timeline | None) -> None:
        self.project.current_timeline = timeline
        self._timeline_epoch += 1

    @property
    def timeline(self) -> model.Timeline:
        """The open timeline; tests read it, scripts ask for it."""
        assert self.project.current_timeline is not None
        return self.project.current_timeline

    def timeline_of(self, item: model.Item) -> model.Timeline:
        """The timeline an item lies on; nested ones count."""
        nested = [media.nested for media in self.project.all_media() if media.nested is not None]
        for timeline in [*self.project.timelines, *nested]:
            if timeline.track_of(item) is not None:
                return timeline
        return self.timeline

    # -- handles ------------------------------------------------------------------------------------------

    def wrap(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.wrap(item) for item in value]
        if isinstance(value, DeadItem):
            return Handle("TimelineItem", model.Item("", "audio", 0, 0), -1, -1)
        if isinstance(value, Opened):
            return Handle(value.kind, value.target, self._project_epoch, self._timeline_epoch)
        kind = _KINDS.get(type(value))
        return value if kind is None else Handle(kind, value, self._project_epoch, self._timeline_epoch)

    def _unwrap(self, value: Any) -> Any:
        if isinstance(value, Handle):
            return value.target
        if isinstance(value, list):
            return [self._unwrap(item) for item in value]
        if isinstance(value, dict):
            return {key: self._unwrap(item) for key, item in value.items()}
        return value

    def _is_stale(self, handle: Handle) -> bool:
        if handle.kind in ("Resolve", "ProjectManager", "Fusion"):
            return False
        if handle.project_epoch != self._project_epoch:
            return True
        return handle.kind in ("Timeline", "TimelineItem") and handle.timeline_epoch != self._timeline_epoch
