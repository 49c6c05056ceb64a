"""What `selva_otio` exports, and which of its rooms may import which."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import selva_otio

ROOMS = ("errors", "metadata", "time", "picture", "cues", "placement", "formats", "timelines")
"""Each may import those before it."""
PUBLIC_NAMES = {
    "Cue",
    "CueSheet",
    "CueSheetRow",
    "HostProfile",
    "OpenTimeline",
    "PlacementResult",
    "ReadOptions",
    "SkippedItem",
    "SpotOptions",
    "SpottedClip",
    "Stem",
    "StemSpan",
    "StemTrack",
    "TimelineClock",
    "TimelineError",
    "WrittenTimeline",
    "check_timeline_target",
    "find_profile",
    "load_cue_sheet",
    "load_timeline",
    "measure_span",
    "open_timeline",
    "parse_stem_track",
    "place_stems",
    "spot_timeline",
    "write_timeline",
}


def test_exported_names_are_those_that_are_meant() -> None:
    assert set(selva_otio.__all__) == PUBLIC_NAMES
    assert {name for name in vars(selva_otio) if name in PUBLIC_NAMES} == PUBLIC_NAMES


@pytest.mark.parametrize("name", sorted(PUBLIC_NAMES))
def test_exported_name_is_documented_where_it_is_defined(name: str) -> None:
    exported = getattr(selva_otio, name)
    assert exported.__module__.startswith("selva_otio.")
    assert inspect.getdoc(exported)


def iter_imported_modules(file: Path) -> set[str]:
    """Modules that a file imports anywhere, also inside functions and under TYPE_CHECKING."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found.add(node.module or "")
    return found


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_only_rooms_before_it(room: str) -> None:
    package = Path(selva_otio.__file__).parent
    files = (
        [package / f"{room}.py"]
        if (package / f"{room}.py").exists()
        else sorted((package / room).rglob("*.py"))
    )
    assert files
    allowed = ROOMS[: ROOMS.index(room) + 1]
    for file in files:
        for module in iter_imported_modules(file):
            if module.partition(".")[0] == "selva_otio":
                assert room_of(module) in allowed, f"{file.relative_to(package)} imports {module}"
            elif module.partition(".")[0].startswith("selva"):
                assert module.startswith("selva_core.base"), f"{file.relative_to(package)} imports {module}"


def test_every_file_of_the_package_lies_in_a_room() -> None:
    package = Path(selva_otio.__file__).parent
    names = {
        path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert names == {"__init__", *ROOMS}
