"""What `selva_render` exports, and that it costs nothing until it is used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import selva_render


def test_every_exported_name_is_there_and_no_other() -> None:
    for name in selva_render.__all__:
        assert getattr(selva_render, name).__name__ == name
    assert set(selva_render.__all__) <= set(dir(selva_render))
    with pytest.raises(AttributeError, match="no attribute 'render_everything'"):
        _ = selva_render.render_everything


def test_importing_it_loads_neither_timelines_nor_sockets() -> None:
    program = "import sys, json\nimport selva_render\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"opentimelineio", "zmq", "torch", "av", "numpy"} & set(json.loads(done.stdout))
    program = program.replace("import selva_render\n", "from selva_render import render_timeline\n")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"opentimelineio", "zmq"} <= set(json.loads(done.stdout)), "the twin: what is used is loaded"
