"""Projects as editors have them, and what a user does to the simulated REAPER."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from selva_plugins.hosts.reaper.action_list import PACKAGE_SCRIPT
from selva_plugins.progress import RequestProgress
from selva_plugins.request_folder import PROTOCOL, RequestFolder
from tests.selva_plugins.reaper.double import InputDialog, Item, Project, Source, Track, World
from tests.selva_plugins.reaper.double.world import Script

SCRIPTS = Path(__file__).parents[3] / "plugins" / "reaper" / "Selva"
GENERATE = PACKAGE_SCRIPT
REGIONS = "Selva - Generate stems from regions and markers.lua"
NEW_TAKES = "Selva - New takes for selected stem items.lua"
REDO = "Selva - Redo time selection of selected stem items.lua"
EXTEND = "Selva - Extend selected stem items.lua"
MOVE_TO_PICTURE = "Selva - Move stems to their picture.lua"
CONFORM = "Selva - Conform stems to this cut.lua"
MARK_SOUNDS = "Selva - Mark sounds in selected stem items.lua"
JOB_LIST = "Selva - Open job list.lua"
CHECK = "Selva - Settings and check.lua"

BIKES = Source.video("/media/bikes.mp4", 10.0)


def put_script(world: World, name: str) -> Path:
    """The real scripts, copied to where this REAPER can see them."""
    target = world.resource_folder / "Scripts" / "Selva"
    for source in SCRIPTS.rglob("*.lua"):
        place = target / source.relative_to(SCRIPTS)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.write_bytes(source.read_bytes())
    return target / name


def write_bridge_file(world: World, **changed: Any) -> Path:
    """What the installer writes, with a command that only the double's `on_command` ever sees."""
    requests = world.resource_folder / "Selva" / "requests"
    requests.mkdir(parents=True, exist_ok=True)
    program = "C:\\Selva\\pythonw.exe" if world.profile.is_windows else "/opt/selva/python"
    values = {
        "schema": "selva.bridge/1",
        "protocol": PROTOCOL,
        "version": "0.1.0",
        "command": [program, "-m", "selva_daemon", "host", "reaper"],
        "request_folder": plain_host_path(world, requests),
        **changed,
    }
    (requests.parent / "bridge.json").write_text(json.dumps(values), encoding="ascii")
    return requests


def plain_host_path(world: World, path: Path) -> str:
    text = world.host_path(path)
    if text.isascii() or not world.profile.is_windows:
        return text
    short = world.answer_short_name(f'cmd.exe /Q /C for %I in ("{text}") do @echo %~sI')
    assert short is not None
    return short


def run_action(world: World, name: str) -> Script:
    return world.run_script(put_script(world, name))


def type_in(answers: Mapping[str, str]) -> Any:
    """Fill in the fields whose caption begins with a key; the others keep their defaults."""

    def answer(dialog: InputDialog) -> list[str]:
        left = dict(answers)
        values = []
        for caption, default in zip(dialog.captions, dialog.values, strict=True):
            key = next((key for key in left if caption.startswith(key)), None)
            values.append(default if key is None else left.pop(key))
        assert not left, f"no field is called {list(left)}; there are {dialog.captions}"
        return values

    return answer


def type_sounds(*sounds: str, **settings: str) -> Any:
    """Fill in the dialog of "Generate stems for selected items"; settings are caption beginnings."""

    def answer(dialog: InputDialog) -> list[str]:
        values = list(dialog.values)
        fields = [
            index for index, caption in enumerate(dialog.captions) if caption.startswith("Track: prompt")
        ]
        for index, sound in zip(fields, [*sounds, *[""] * len(fields)], strict=False):
            values[index] = sound
        for key, value in settings.items():
            values[next(i for i, caption in enumerate(dialog.captions) if caption.startswith(key))] = value
        return values

    return answer


class FakeBridge:
    """In place of the bridge process: records the commands, and writes the status that the test wants."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.requests = write_bridge_file(world)
        self.started: list[list[str]] = []
        self._opened: dict[Path, RequestFolder] = {}
        world.on_command = self._start

    def _start(self, command: list[str]) -> bool:
        self.started.append(command)
        return True

    @property
    def folders(self) -> list[Path]:
        """Request folders in the order they were made."""
        return sorted(
            self.requests.iterdir(), key=lambda folder: (folder / "request.json").stat().st_mtime_ns
        )

    @property
    def folder(self) -> RequestFolder:
        return self._opened.setdefault(self.folders[-1], RequestFolder(self.folders[-1]))

    @property
    def request(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads((self.folders[-1] / "request.json").read_text(encoding="utf-8"))
        return values

    @property
    def snapshot(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads((self.folders[-1] / "snapshot.json").read_text(encoding="utf-8"))
        return values

    def report_progress(self, message: str, fraction: float = 0.5, seconds_left: float | None = 12.0) -> None:
        progress = RequestProgress(message=message, fraction=fraction, seconds_left=seconds_left)
        self.folder.write_progress(progress, [])

    def finish(self, placements: Sequence[Mapping[str, Any]], notices: Sequence[str] = ()) -> None:
        self.folder.write_plan([dict(placement) for placement in placements])
        self.folder.write_ready("ready", list(notices))


def write_stem(world: World, name: str, length_s: float = 2.0) -> str:
    """A silent stem beside the project; returns its path as REAPER spells it."""
    path = world.home / "stems" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(3)
        stream.setframerate(48_000)
        stream.writeframes(bytes(round(length_s * 48_000) * 3))
    return world.host_path(path)


def plan_for(
    world: World, item: Item, *, track: str = "Dog", cue: str = "cue-1", num_takes: int = 1, **changed: Any
) -> dict[str, Any]:
    """A placement that covers an item, as the bridge would plan it."""
    take = item.active_take
    source = take.source
    assert source is not None
    return {
        "cue": cue,
        "label": f"{track}: {take.name}",
        "stem_track": track,
        "start_s": item.position_s,
        "length_s": item.length_s,
        "source_offset_s": 0.0,
        "anchor": {
            "item_guid": item.guid,
            "position_s": item.position_s,
            "length_s": item.length_s,
            "start_offset_s": take.values["D_STARTOFFS"],
            "play_rate": take.values["D_PLAYRATE"],
            "picture_key": picture_key(source),
        },
        "into_item": None,
        "takes": [
            {
                "file": write_stem(world, f"{cue}_t{number}.wav", item.length_s + 1),
                "name": f"{track} take {number}",
                "recipe": {"schema": "selva.recipe/1", "seed": 41 + number},
            }
            for number in range(1, num_takes + 1)
        ],
        **changed,
    }


def picture_key(source: Source) -> str:
    parts = []
    level: Source | None = source
    while level is not None:
        parts.append(level.file)
        if level.kind == "SECTION":
            reverse = "r" if level.is_reversed else ""
            parts.append(f"{level.section_offset_s:.9f}+{level.length_s:.9f}{reverse}")
        level = level.parent
    return "|".join(parts)


def project_with(world: World, *items: Item, saved: bool = True, **settings: Any) -> Project:
    """A project with one video track."""
    project = world.add_project(world.home / "Film" / "film.rpp" if saved else None, **settings)
    project.tracks.append(Track(name="Video", items=list(items)))
    return project


def request_stems(world: World, *sounds: str, name: str = GENERATE) -> None:
    """Run "Generate stems", type sounds, and let the script begin to watch the request."""
    world.input_answers.append(type_sounds(*sounds or ("Dog: bark",)))
    run_action(world, name)
    world.tick(3)


# The name that tests from elsewhere know it by.
ask = request_stems


def open_scene(world: World) -> tuple[Project, Item, FakeBridge]:
    """A project with one selected video item, and a bridge that writes the status that the test wants."""
    item = Item.showing(BIKES, position_s=10.0, length_s=4.0)
    return project_with(world, item), item, FakeBridge(world)


def stems_of(project: Project) -> list[float]:
    """Where stems lie on the tracks called Dog."""
    return [item.position_s for track in project.tracks if track.name == "Dog" for item in track.items]


def bikes_item(position_s: float = 10.0, length_s: float = 4.0, **take_values: Any) -> Item:
    return Item.showing(BIKES, position_s=position_s, length_s=length_s, start_offset_s=1.0, **take_values)


def place(
    world: World,
    build_plan: Callable[[], list[dict[str, Any]]],
    meanwhile: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Request stems, let the user do something meanwhile, let the bridge finish; returns the report."""
    bridge = FakeBridge(world)
    world.input_answers.append(type_sounds("Dog: small dog barking"))
    run_action(world, GENERATE)
    world.tick(3)
    plan = build_plan()
    meanwhile()
    bridge.finish(plan)
    report = bridge.folders[-1] / "report-1.json"
    world.tick_until(report.exists, limit_s=5)
    values: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return values


def edit_values(item: Item, **values: float) -> Callable[[], object]:
    """An edit of item and active take, to be done later."""

    def edit() -> None:
        for name, value in values.items():
            (item.values if name in item.values else item.active_take.values)[name] = value

    return edit
