"""Which room may import which: proven on every import statement. tests/test_room_loading.py sees what is really loaded.

Imports are read from the syntax trees, so those inside functions and under TYPE_CHECKING count as well: an arrow that only a
type checker follows binds two rooms as firmly as any other. So do modules named in a text, which `import_module` is given.
docs/development/architecture.md has the same tables in words.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE_FOLDERS = {
    "selva_core": ROOT / "selva_core",
    "selva_otio": ROOT / "otio_adapters" / "selva_otio",
    "selva_daemon": ROOT / "daemon" / "selva_daemon",
    "selva_render": ROOT / "daemon" / "selva_render",
    "selva_cli": ROOT / "daemon" / "selva_cli",
    "selva_plugins": ROOT / "plugins" / "selva_plugins",
    "selva_panel": ROOT / "plugins" / "panel" / "selva_panel",
}

# Room, in the order of the floors: what it may import of other packages. "selva_core" alone is its version number.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "selva_core": (),
    "selva_otio": ("selva_core.base",),
    "selva_daemon": ("selva_core", "selva_core.base", "selva_core.models"),
    "selva_daemon.worker": (
        "selva_core", "selva_core.base", "selva_core.models", "selva_core.engine", "selva_core.engines",
        "selva_core.audio", "selva_core.video",
    ),
    "selva_render": (
        "selva_core", "selva_core.base", "selva_core.models", "selva_core.audio", "selva_core.video", "selva_otio",
        "selva_daemon", "selva_daemon.client", "selva_daemon.protocol",
    ),
    "selva_plugins": (
        "selva_core", "selva_core.base", "selva_core.models", "selva_otio", "selva_render",
        "selva_daemon", "selva_daemon.client", "selva_daemon.protocol",
    ),
    "selva_panel": (
        "selva_core", "selva_core.base", "selva_core.models", "selva_core.audio", "selva_core.video", "selva_otio",
        "selva_render", "selva_plugins", "selva_daemon", "selva_daemon.client", "selva_daemon.protocol",
    ),
    "selva_cli": (
        "selva_core", "selva_core.base", "selva_core.models", "selva_core.audio", "selva_otio", "selva_daemon",
        "selva_daemon.client", "selva_daemon.protocol", "selva_daemon.server", "selva_daemon.worker",
        "selva_daemon.settings", "selva_render", "selva_plugins", "selva_panel",
    ),
}  # fmt: skip
"""Rooms below a room that is named count with it; a name that stops at a package is all of it, except for `selva_core`
and `selva_daemon`, whose rooms are named one by one."""

NAMED_ROOM_BY_ROOM = ("selva_core", "selva_daemon")

# Floors of each package, from the ground up: a room imports lower floors only, never its own floor's other rooms.
FLOORS: dict[str, tuple[tuple[str, ...], ...]] = {
    "selva_core": (
        ("base",),
        ("engine",),
        ("audio", "video", "models"),
        ("network",),
        ("inference",),
        ("engines",),
        ("training",),
    ),
    "selva_otio": (
        ("errors", "metadata"),
        ("time",),
        ("picture",),
        ("cues",),
        ("placement",),
        ("formats",),
        ("conform",),
        ("timelines",),
    ),
    "selva_daemon": (
        ("protocol", "settings"),
        ("client", "worker"),
        ("jobs",),
        ("server",),
        ("__main__", "service", "reference"),
    ),
    "selva_panel": (
        ("errors",),
        ("timeline",),
        ("media",),
        ("session",),
        ("jobs",),
        ("delivery",),
        ("hosts",),
        ("http",),
    ),
    "selva_cli": (
        ("doctor", "terminal"),
        ("options",),
        ("agents",),
        ("commands",),
        ("app",),
        ("main",),
        ("__main__",),
    ),
}

ANYWHERE = {"numpy"}
COMES_WITH_TORCH = {"triton"}
"""Fits the torch that brings it and no other, where it is brought at all: what imports it works without it."""
THIRD_PARTY: dict[str, set[str]] = {
    "selva_core": {"torch", "av", "soundfile", "soxr", "safetensors", "einops", "c2pa", "psutil"},
    "selva_core.base": {"filelock", "platformdirs", "msgspec"},
    "selva_core.base.settings": {"tomli", "tomlkit"},
    "selva_core.engine": set(),
    "selva_core.models": {"torch", "safetensors", "certifi", "platformdirs"},
    "selva_core.inference": {"torch", "tokenizers", "safetensors", "einops", "psutil"},
    "selva_core.network.fused_snake": {"torch", "triton"},
    "selva_core.training": {
        "torch", "safetensors", "einops", "scipy", "av", "tokenizers", "transformers", "soundfile", "matplotlib",
        "opentimelineio",
    },
    "selva_otio": {"opentimelineio", "aaf2", "tomli"},
    "selva_daemon": {"zmq", "msgspec", "psutil"},
    "selva_daemon.worker": {"msgspec"},
    "selva_daemon.worker.cluster": {"grpc", "msgspec", "ray"},
    "selva_render": {"msgspec", "opentimelineio", "watchdog", "matplotlib", "soundfile", "tomli", "mido"},
    "selva_plugins": {"opentimelineio", "msgspec", "platformdirs", "psutil"},
    "selva_panel": {"opentimelineio", "msgspec", "soundfile", "platformdirs"},
    "selva_panel.media": {"av", "soundfile", "opentimelineio"},
    "selva_panel.http": {"starlette", "uvicorn", "msgspec"},
    "selva_cli.agents": {"typer", "mcp", "mcp_types", "pydantic", "opentimelineio", "soundfile"},
    "selva_cli": {"typer", "click", "rich", "opentimelineio", "matplotlib", "msgspec", "psutil"},
}  # fmt: skip
"""The libraries a room may import beside the standard library; of two rooms that match, the longer name counts."""

STARTED_AS_PROGRAMS = {
    ("selva_daemon.client.launch", "selva_daemon.server.service"),
    ("selva_daemon.server.watch_process", "selva_render.watch.service"),
    ("selva_daemon.jobs.worker_process", "selva_daemon.worker.worker"),
    ("selva_daemon.jobs.worker_process", "selva_daemon.worker.cluster.worker"),
    ("selva_daemon.jobs.supervisor", "selva_daemon.worker.worker"),
    ("selva_cli.doctor.libraries", "selva_core.inference.device_probe"),
    ("selva_cli.doctor.libraries", "selva_core.video.library_probe"),
    ("selva_daemon.client.installation", "selva_core.engines.load_probe"),
}
"""Modules that another room names in order to run them as a process of their own, `python -m MODULE`: nothing is imported."""

PLUG_INS = {"selva_plugins.bridge": re.compile(r"selva_plugins\.hosts\.\w+\.adapter")}
"""Rows of a table by which the bridge loads the adapter of the host that a request names: to add a host is to add a row."""


@dataclass(frozen=True)
class Import:
    """One module of ours, or another's, that an import statement names."""

    importer: str
    imported: str
    names: tuple[str, ...]
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


@cache
def modules() -> Mapping[str, Path]:
    """Every module of the seven packages, by its full name."""
    found: dict[str, Path] = {}
    for package, folder in PACKAGE_FOLDERS.items():
        for file in folder.rglob("*.py"):
            parts = [package, *file.relative_to(folder).with_suffix("").parts]
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports_of(
    module: str, source: str, *, is_package: bool, known: Mapping[str, object]
) -> Iterator[Import]:
    """Every import statement of a source text. Relative ones are resolved; `from a import b` is a.b where that is a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            if node.value in known:
                yield Import(module, node.value, (), node.lineno)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, (), node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")
                parents = parents[: len(parents) - node.level + is_package]
                base = ".".join([*parents, base] if base else parents)
            for alias in node.names:
                submodule = f"{base}.{alias.name}"
                yield Import(module, submodule if submodule in known else base, (alias.name,), node.lineno)


@cache
def all_imports() -> tuple[Import, ...]:
    return tuple(
        found
        for module, file in modules().items()
        for found in imports_of(
            module, file.read_text(encoding="utf-8"), is_package=file.name == "__init__.py", known=modules()
        )
        if (found.importer, found.imported) not in STARTED_AS_PROGRAMS
        and not (found.importer in PLUG_INS and PLUG_INS[found.importer].fullmatch(found.imported))
    )


def room_of(module: str) -> str:
    """The package and its first room: `selva_core.audio` of `selva_core.audio.wav`."""
    return ".".join(module.split(".")[:2])


def lies_in(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def most_special(table: Mapping[str, object], module: str) -> str:
    """The longest name of a table in which a module lies."""
    return max((name for name in table if lies_in(module, name)), key=len)


def is_forbidden_across(found: Import) -> bool:
    """Whether an import goes from one of our packages to another that it must not know."""
    source, target = found.importer.split(".")[0], found.imported.split(".")[0]
    if source == target or target not in PACKAGE_FOLDERS:
        return False
    allowed = MAY_IMPORT[most_special(MAY_IMPORT, found.importer)]
    if target in NAMED_ROOM_BY_ROOM:
        return room_of(found.imported) not in allowed
    return target not in allowed


def is_forbidden_within(found: Import) -> bool:
    """Whether an import goes up, or sideways, inside a package that has floors."""
    package = found.importer.split(".")[0]
    if package not in FLOORS or found.imported.split(".")[0] != package:
        return False
    if found.importer == package:
        return False  # the public face may show what lies in any room
    if found.imported == package:
        return found.names != ("__version__",)
    source, target = room_of(found.importer), room_of(found.imported)
    floors = {f"{package}.{room}": floor for floor, rooms in enumerate(FLOORS[package]) for room in rooms}
    return source != target and floors[target] >= floors[source]


def cycles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules that reach each other (Tarjan's strongly connected components of more than one)."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = lowest[node] = len(index)
        stack.append(node)
        for following in sorted(edges.get(node, ())):
            if following not in index:
                visit(following)
            if following in stack:
                lowest[node] = min(lowest[node], lowest[following])
        if lowest[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def module_edges(imports: Sequence[Import]) -> dict[str, set[str]]:
    """Arrows between modules of ours. Faces of packages are left out: they show their rooms, and no room imports them."""
    edges: dict[str, set[str]] = {}
    for found in imports:
        if (
            found.imported in modules()
            and found.imported not in PACKAGE_FOLDERS
            and found.importer not in PACKAGE_FOLDERS
        ):
            edges.setdefault(found.importer, set()).add(found.imported)
    return edges


def test_packages_import_only_the_rooms_below_them() -> None:
    assert [str(found) for found in all_imports() if is_forbidden_across(found)] == []


@pytest.mark.parametrize("package", FLOORS)
def test_rooms_of_a_package_import_lower_floors_only(package: str) -> None:
    own = [found for found in all_imports() if lies_in(found.importer, package)]
    assert [str(found) for found in own if is_forbidden_within(found)] == []


@pytest.mark.parametrize("package", FLOORS)
def test_every_room_of_a_package_has_a_floor(package: str) -> None:
    rooms = {room_of(module) for module in modules() if lies_in(module, package) and module != package}
    assert rooms - {f"{package}.weights"} == {
        f"{package}.{room}" for floor in FLOORS[package] for room in floor
    }


def test_no_modules_import_each_other() -> None:
    assert cycles(module_edges(all_imports())) == []


def test_hosts_do_not_know_each_other() -> None:
    hosts = sorted(
        path.name for path in (PACKAGE_FOLDERS["selva_plugins"] / "hosts").iterdir() if path.is_dir()
    )
    crossing = [
        str(found)
        for found in all_imports()
        for host in hosts
        for other in hosts
        if host != other
        and lies_in(found.importer, f"selva_plugins.hosts.{host}")
        and lies_in(found.imported, f"selva_plugins.hosts.{other}")
    ]
    assert crossing == []


def test_nothing_that_ships_imports_the_training_room() -> None:
    assert [
        str(found)
        for found in all_imports()
        if lies_in(found.imported, "selva_core.training")
        and not lies_in(found.importer, "selva_core.training")
    ] == []


def test_each_room_imports_only_its_own_libraries() -> None:
    strangers = []
    for found in all_imports():
        library = found.imported.split(".")[0]
        if library in PACKAGE_FOLDERS or library in sys.stdlib_module_names or library in ANYWHERE:
            continue
        if library not in THIRD_PARTY[most_special(THIRD_PARTY, found.importer)]:
            strangers.append(str(found))
    assert strangers == []


def test_every_library_that_is_imported_is_declared() -> None:
    """What comes along only because another library needs it may stay away with that library's next release."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    declared = {name.lower() for name in re.findall(r"\"([A-Za-z0-9][\w.-]*)(?:\[[\w,]+\])?[<>=]=", text)}
    assert {"torch", "pyzmq", "typer"} <= declared
    providers = packages_distributions()
    undeclared = set()
    for found in all_imports():
        library = found.imported.split(".")[0]
        if library in PACKAGE_FOLDERS or library in sys.stdlib_module_names or library in COMES_WITH_TORCH:
            continue
        if not {name.lower().replace("_", "-") for name in providers.get(library, [library])} & declared:
            undeclared.add(str(found))
    assert undeclared == set()


def test_arrows_that_must_not_be_would_be_seen() -> None:
    """The twin of the tests above: the same checks do find fault with imports that are wrong."""
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from selva_cli.main import main\n"
    (_, upwards) = imports_of("selva_daemon.server.server", source, is_package=False, known=modules())
    assert upwards.imported == "selva_cli.main"
    assert is_forbidden_across(upwards)
    late = "def f() -> None:\n    from selva_daemon.server import server\n"
    (hidden,) = imports_of("selva_plugins.bridge", late, is_package=False, known=modules())
    assert is_forbidden_across(hidden)
    named = "import_module('selva_cli.main')"
    (found,) = imports_of("selva_render.render", named, is_package=False, known=modules())
    assert is_forbidden_across(found)
    (relative,) = imports_of(
        "selva_core.base.limits", "from ..engine import Engine", is_package=False, known=modules()
    )
    assert relative.imported == "selva_core.engine"
    assert is_forbidden_within(relative)
    assert not is_forbidden_within(Import("selva_core.engine", "selva_core.base.limits", (), 1))
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert cycles({"a": {"b", "c"}, "b": {"c"}}) == []
