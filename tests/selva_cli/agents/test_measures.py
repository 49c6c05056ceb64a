"""What `measure` says of stems: also of files that are none, and of what their siblings leave in them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("mcp")

from selva_cli.agents.allowed_folders import AllowedFolders, OutsideFoldersError
from selva_cli.agents.session import AgentSession
from selva_core.base.errors import RequestError
from selva_core.base.evidence import EVIDENCE_SUFFIX
from tests.selva_render.takes.test_take_hints import evidence, write


def test_siblings_that_are_measured_together_show_what_leaks(tmp_path: Path) -> None:
    dog, cat = (
        write(tmp_path / "dog.wav", 0.5, 0.05, 0.5, channels=1),
        write(tmp_path / "cat.wav", 0, 0.5, 0, channels=1),
    )
    dog.with_suffix(EVIDENCE_SUFFIX).write_text(json.dumps(evidence(1, 0, 1).to_json()))
    cat.with_suffix(EVIDENCE_SUFFIX).write_text(json.dumps(evidence(0, 1, 0).to_json()))
    session = AgentSession(AllowedFolders.open([tmp_path]))
    (alone,) = session.measure(["dog.wav"])
    assert alone["hints"]["leak_db"] is None
    with_cat, of_cat = session.measure(["dog.wav", "cat.wav"])
    assert with_cat["hints"]["leak_db"] == pytest.approx(-23.0, abs=0.5)
    assert of_cat["hints"]["leak_db"] < -60
    assert of_cat["hints"]["sync"] == pytest.approx(1.0, abs=0.1)


def test_other_sound_files_are_measured_without_hints(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.zeros(4_800, np.float32), 48_000)
    (measured,) = AgentSession(AllowedFolders.open([tmp_path])).measure(["a.flac"])
    assert measured["seconds"] == pytest.approx(0.1)
    assert measured["silent_share"] == 1.0
    assert measured["hints"] is None


@pytest.mark.skipif(
    sys.platform == "win32", reason="it has no pipes in folders, and links need a privilege there"
)
def test_a_pipe_is_refused_and_evidence_outside_of_the_folders_is_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "allowed"
    folder.mkdir()
    os.mkfifo(folder / "pipe.wav")
    session = AgentSession(AllowedFolders.open([folder]))
    with pytest.raises(RequestError, match="a pipe"):
        session.measure(["pipe.wav"])
    stem = write(folder / "dog.wav", 0.5, 0.5, channels=1)
    assert session.measure(["dog.wav"])[0]["evidence"] is None
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps(evidence(1, 0).to_json()))
    stem.with_suffix(EVIDENCE_SUFFIX).symlink_to(outside)
    with pytest.raises(OutsideFoldersError):
        session.measure(["dog.wav"])
