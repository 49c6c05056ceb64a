"""Placing on the double, through both faces: what lands where, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.selva_plugins.resolve.conftest import OpenHost
from tests.selva_plugins.resolve.double.builds import SUPPORTED_BUILDS, Build, build_id
from tests.selva_plugins.resolve.scenes import build_scene
from tests.selva_plugins.resolve.stems import plan_for, plan_stem


@pytest.mark.parametrize("build", SUPPORTED_BUILDS, ids=build_id)
def test_stems_land_on_named_mono_tracks_at_their_absolute_frame(
    build: Build, open_host: OpenHost, tmp_path: Path, make_face
) -> None:
    scene = build_scene()
    host = open_host(build, scene)
    face = make_face(host)
    stems = [
        plan_stem(tmp_path / "stems", scene.timeline, at=10, frames=48),
        plan_stem(tmp_path / "stems", scene.timeline, at=10, frames=48, track="Steps"),
        plan_stem(tmp_path / "stems", scene.timeline, at=58, frames=24),
    ]
    report = face.place(plan_for(scene.timeline, stems))
    assert [stem["status"] for stem in report["stems"]] == ["placed"] * 3
    tracks = scene.timeline.tracks["audio"]
    assert [track.name for track in tracks] == ["Audio 1", "Dog", "Steps"]
    assert [track.sub_type for track in tracks[1:]] == ["mono", "mono"]
    assert [(item.start, item.end) for item in tracks[1].items] == [(86410, 86458), (86458, 86482)]
