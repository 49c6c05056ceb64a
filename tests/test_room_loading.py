"""What fresh interpreters really load of the rooms and of heavy libraries; tests/test_rooms.py has the import statements."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_rooms import PACKAGE_FOLDERS

HEAVY = ("torch", "torchaudio", "transformers", "av", "ray")


def modules_loaded_by(statement: str) -> set[str]:
    """Modules in sys.modules of a fresh interpreter after `statement`, each with the packages it lies in."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=240
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("room", "statement", "forbidden"),
    [
        (
            "base",
            "import selva_core.base.errors, selva_core.base.media",
            (*HEAVY, "numpy", "zmq", "opentimelineio"),
        ),
        ("client", "import selva_daemon.client.client", (*HEAVY, "opentimelineio", "selva_daemon.server")),
        ("client's public face", "from selva_daemon import Client, AsyncClient", (*HEAVY, "opentimelineio")),
        ("server", "import selva_daemon.server.server", (*HEAVY, "opentimelineio", "selva_core.engines")),
        ("worker before its first job", "import selva_daemon.worker.worker", HEAVY),
        ("worker of a cluster before it connects", "import selva_daemon.worker.cluster.worker", HEAVY),
        ("timelines", "import selva_otio", (*HEAVY, "zmq", "selva_daemon", "selva_core.engine")),
        (
            "request bundles",
            "import selva_otio.formats.request_bundle.adapter",
            (*HEAVY, "zmq", "numpy", "selva_daemon", "selva_core.engine"),
        ),
        ("watch folders", "import selva_render.watch.service", (*HEAVY, "selva_daemon.server")),
        ("bridge", "import selva_plugins.bridge", (*HEAVY, "selva_daemon.server", "selva_daemon.jobs")),
        (
            "hosts",
            "import selva_plugins.hosts.reaper.adapter, selva_plugins.hosts.resolve.headless, selva_plugins.hosts.resolve.check",
            (*HEAVY, "selva_daemon.server", "selva_daemon.worker"),
        ),
        (
            "model table",
            "import selva_core.models.catalog, selva_core.models.specs, selva_core.base.errors, selva_core.engine",
            HEAVY,
        ),
        (
            "image sequences and signers",
            "import selva_core.video.sequence_files, selva_core.audio.credentials",
            (*HEAVY, "numpy", "c2pa"),
        ),
        (
            "model room",
            "import selva_core.engines.network",
            ("zmq", "selva_daemon", "selva_otio", "opentimelineio", "selva_core.training"),
        ),
        (
            "panel",
            "import selva_panel.http.server",
            (*HEAVY, "selva_daemon.server", "selva_daemon.worker", "selva_daemon.jobs"),
        ),
        ("frames", "import selva_core.video.frames", ("torch", "zmq", "selva_daemon", "ray")),
    ],
)
def test_room_loads_only_what_it_may(room: str, statement: str, forbidden: tuple[str, ...]) -> None:
    loaded = modules_loaded_by(statement)
    assert not loaded & set(forbidden), f"{room} loads {sorted(loaded & set(forbidden))}"


@pytest.mark.parametrize("package", PACKAGE_FOLDERS)
def test_face_of_a_package_loads_nothing_heavy(package: str) -> None:
    assert not modules_loaded_by(f"import {package}") & {*HEAVY, "zmq"}


def test_command_help_loads_nothing_heavy_and_names_the_commands() -> None:
    program = (
        "import sys, json\nsys.argv = ['selva', '--help']\nfrom selva_cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=240
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & {*HEAVY, "opentimelineio", "zmq", "starlette", "uvicorn"}
    for command in ("render", "stems", "daemon", "jobs", "models"):
        assert command in done.stdout


def test_a_forbidden_import_would_be_seen_in_a_fresh_interpreter() -> None:
    """The twin of the refusals above: the probe does notice what is loaded."""
    assert "json" in modules_loaded_by("import json")
    assert "av" in modules_loaded_by("import av")
    assert "selva_daemon.server" in modules_loaded_by("import selva_daemon.server.server")


@pytest.mark.parametrize("package", sorted(PACKAGE_FOLDERS))
def test_every_package_comes_from_the_checkout(package: str, tmp_path: Path) -> None:
    """A copy of the panel in site-packages once hid what a developer had changed in the checkout."""
    done = subprocess.run(
        [sys.executable, "-c", f"import {package}; print({package}.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
        cwd=tmp_path,
    )
    assert Path(done.stdout.strip()).parent == PACKAGE_FOLDERS[package]
