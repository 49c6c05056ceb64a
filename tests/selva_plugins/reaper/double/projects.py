"""The open projects, and the rules for changing them: the tab in front, inside an undo block, with pointers that are valid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .imgui_functions import ImGuiWindow
from .registry import RuleViolation
from .state import Envelope, Item, Project, Source, Take, Track, UndoStep
from .system import Profile, System

_UNDO_TRACKS, _UNDO_ITEMS, _UNDO_REST = 1, 4, 8


class OpenProjects(System):
    """Everything that a pointer may point at. `stale_views` are what the user would see as it was before an edit."""

    def __init__(self, profile: Profile, home: Path) -> None:
        super().__init__(profile, home)
        self.projects: list[Project] = []
        self.active = 0
        self.loose_sources: list[Source] = []
        self.stale_views: set[str] = set()
        self.toggles: dict[int, int] = {}
        """The state of options, by the number of their action: 1 for on."""
        self.imgui = ImGuiWindow()

    def add_project(self, path: Path | None = None, **settings: Any) -> Project:
        media_folder = (path.parent if path else self.home / "REAPER Media") / "Media"
        project = Project(
            media_folder=self.host_path(media_folder), path=self.host_path(path) if path else "", **settings
        )
        self.projects.append(project)
        return project

    def close_project(self, project: Project) -> None:
        """Close its tab; REAPER always has one, an empty one where it was the last."""
        self.projects.remove(project)
        self.active = 0
        if not self.projects:
            self.add_project()

    @property
    def project(self) -> Project:
        return self.projects[self.active]

    def is_valid(self, kind: str, target: object) -> bool:
        """Whether a pointer still points at something that exists."""
        contents = [project.content for project in self.projects]
        tracks = [track for content in contents for track in content.tracks]
        items = [item for track in tracks for item in track.items]
        takes = [take for item in items for take in item.takes if take is not None]
        known: dict[str, Iterable[object]] = {
            "ReaProject": self.projects,
            "MediaTrack": tracks,
            "MediaItem": items,
            "MediaItem_Take": takes,
            "PCM_source": (
                source
                for top in [*self.loose_sources, *(take.source for take in takes)]
                for source in _chain(top)
            ),
            "ProjectMarker": (marker for content in contents for marker in content.markers),
            "TrackEnvelope": (
                envelope for owners in (takes, tracks) for owner in owners for envelope in owner.envelopes
            ),
            "ImGui_Context": [self.imgui],
        }
        if kind not in known:
            raise RuleViolation(f"the double knows no pointers of type {kind}")
        return any(target is other for other in known[kind])

    def edit(self, owner: Project | Track | Item | Take | Envelope) -> None:
        """A change that undo covers: it must happen inside an undo block of the project in front."""
        project = owner if isinstance(owner, Project) else self.owner_of(owner)
        if project is not self.project:
            raise RuleViolation("this changes a project whose tab is not in front")
        if project.block_before is None:
            raise RuleViolation("this changes the project outside an undo block")
        self.stale_views.add("arrange view")

    def owner_of(self, thing: Track | Item | Take | Envelope) -> Project:
        for project in self.projects:
            for track in project.tracks:
                if _holds(track, thing):
                    return project
                for item in track.items:
                    if item is thing or any(_holds(take, thing) for take in item.takes):
                        return project
        raise RuleViolation("this belongs to no open project")

    def begin_block(self, project: Project) -> None:
        if project is not self.project:
            raise RuleViolation("an undo block needs its project's tab in front")
        if project.block_before is not None:
            raise RuleViolation("an undo block is open already")
        project.block_before = project.copy_content()

    def end_block(self, project: Project, label: str, flags: int) -> None:
        if project.block_before is None:
            raise RuleViolation("no undo block is open")
        if not label.strip():
            raise RuleViolation("an undo step needs a text")
        if flags == 0:
            raise RuleViolation("with flags 0 the history says only 'ReaScript: Run'")
        project.undo_steps.append(
            UndoStep(
                label=label,
                before=project.block_before,
                covers_tracks=flags == -1 or bool(flags & _UNDO_TRACKS),
                covers_items=flags == -1 or bool(flags & _UNDO_ITEMS),
                covers_rest=flags == -1 or bool(flags & _UNDO_REST),
            )
        )
        project.redo_contents.clear()
        project.block_before = None


def _holds(owner: Take | Track | None, thing: object) -> bool:
    return owner is not None and (owner is thing or any(envelope is thing for envelope in owner.envelopes))


def _chain(source: Source | None) -> Iterator[Source]:
    while source is not None:
        yield source
        source = source.parent
