"""Each room may load only what docs/architecture.md says; proven on what a fresh interpreter really loads."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "torchaudio", "transformers", "av")


def modules_loaded_by(statement: str) -> set[str]:
    """Top-level names in sys.modules of a fresh interpreter after `statement`."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("room", "statement", "forbidden"),
    [
        ("client", "import selva_daemon.client.client", (*HEAVY, "opentimelineio")),
        ("server", "import selva_daemon.server.server", (*HEAVY, "opentimelineio")),
        ("worker before its first job", "import selva_daemon.worker.worker", HEAVY),
        ("timelines", "import selva_otio", (*HEAVY, "zmq", "selva_daemon", "selva_core")),
        (
            "request bundles",
            "import selva_otio.formats.request_bundle.adapter",
            (*HEAVY, "zmq", "numpy", "selva_daemon", "selva_core"),
        ),
        ("watch folder", "import selva_render.watch.folder", HEAVY),
        ("bridge", "import selva_plugins.bridge", HEAVY),
        (
            "hosts",
            "import selva_plugins.hosts.reaper.adapter, selva_plugins.hosts.resolve.headless, selva_plugins.hosts.resolve.check",
            HEAVY,
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
            ("zmq", "selva_daemon", "selva_otio", "opentimelineio"),
        ),
        ("frames", "import selva_core.video.frames", ("torch", "zmq", "selva_daemon")),
    ],
)
def test_room_loads_only_what_it_may(room: str, statement: str, forbidden: tuple[str, ...]) -> None:
    loaded = modules_loaded_by(statement)
    assert not loaded & set(forbidden), f"{room} loads {sorted(loaded & set(forbidden))}"


def test_command_help_loads_nothing_heavy_and_names_the_commands() -> None:
    program = (
        "import sys, json\nsys.argv = ['selva', '--help']\nfrom selva_cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & {*HEAVY, "opentimelineio", "zmq"}
    for command in ("render", "stems", "daemon", "jobs", "models"):
        assert command in done.stdout


def test_a_forbidden_import_would_be_seen() -> None:
    """The twin of the refusals above: the probe does notice what is loaded."""
    assert "json" in modules_loaded_by("import json")
    assert "av" in modules_loaded_by("import av")
