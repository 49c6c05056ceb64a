"""The picture of a rendered timeline: its frames, its stems, and what is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest
import soundfile

from selva_core.base.evidence import Evidence
from selva_otio.errors import NothingToSpotError
from selva_render.overview import is_drawn_here
from selva_render.overview_sources import NUM_STRIP_FRAMES, collect_overview
from tests.selva_render.flashing_cuts import cut_builder, render
from tests.support.daemons import StartServer
from tests.support.flashes import write_cut


@pytest.fixture
def rendered(start_server: StartServer, tmp_path: Path) -> Path:
    """Two clips around a gap, at 24, with stems on two tracks."""
    start_server()
    cut = cut_builder(tmp_path, "24")
    track = cut.track(
        cut.clip("one", offset=0, frames=24), cut.gap(12), cut.clip("two", offset=36, frames=36)
    )
    source = write_cut(cut.timeline(track), tmp_path / "cut.otio")
    render(source, tmp_path / "out.otio", "--track", "Click=click", "--track", "Tock=tock")
    return tmp_path / "out.otio"


def test_frames_and_stems_lie_where_the_timeline_has_them(rendered: Path) -> None:
    overview = collect_overview(rendered)
    assert (overview.end_s, overview.missing) == (3.0, ())
    assert overview.title.endswith("2 clips, 2 stem tracks")
    assert [row.track for row in overview.rows] == ["Click", "Tock"]
    for row in overview.rows:
        assert [(stem.record_start_s, stem.record_end_s) for stem in row.stems] == [(0.0, 1.0), (1.5, 3.0)]
        assert all(stem.envelope.max() > 0.3 for stem in row.stems), "its clicks are seen"
    assert abs(len(overview.strip) - NUM_STRIP_FRAMES) <= 2
    assert {frame.rgb.dtype for frame in overview.strip} == {np.dtype(np.uint8)}
    assert not [frame for frame in overview.strip if 1.0 <= frame.record_start_s < 1.5], (
        "the gap shows nothing"
    )


def test_one_clip_and_one_track_are_named_as_one(start_server: StartServer, tmp_path: Path) -> None:
    start_server()
    cut = cut_builder(tmp_path, "24")
    source = write_cut(cut.timeline(cut.track(cut.clip("one", offset=0, frames=24))), tmp_path / "cut.otio")
    render(source, tmp_path / "out.otio", "--track", "Click=click")
    assert collect_overview(tmp_path / "out.otio").title.endswith("1 clip, 1 stem track")


def write_evidence(stem: Path, *, whole: float, threshold: float, presence: Sequence[float]) -> None:
    """Beside a stem: 12.5 steps a second, in the left half until the presence falls, then in the right."""
    evidence = Evidence(
        rate_hz=Fraction(25, 2),
        presence=tuple(presence),
        x=(0.25,) * len(presence),
        y=(0.5,) * len(presence),
        spread=(0.1,) * len(presence),
        rows=1,
        columns=2,
        heat=b"".join(bytes([255, 0]) if value > 0.5 else bytes([0, 255]) for value in presence),
        whole=whole,
        threshold=threshold,
    )
    stem.with_suffix(".evidence.json").write_text(json.dumps(evidence.to_json()), encoding="utf-8")


def test_where_and_whether_a_prompt_was_seen_is_drawn_from_the_evidence_beside_the_stem(
    rendered: Path, tmp_path: Path
) -> None:
    first, second = sorted((tmp_path / "stems").glob("Click*.wav"))
    write_evidence(first, whole=1.0, threshold=0.5, presence=[1.0] * 6 + [0.2] * 7)
    write_evidence(second, whole=0.1, threshold=0.5, presence=[0.1] * 19)
    num_samples, rate_hz = soundfile.info(second).frames, soundfile.info(second).samplerate
    soundfile.write(second, np.zeros(num_samples, np.float32), rate_hz, subtype="PCM_24")
    click, tock = collect_overview(rendered).rows
    assert [stem.presence is None for stem in tock.stems] == [True, True]
    assert tock.seen == ()
    seen, silenced = click.stems
    assert seen.presence is not None
    assert (len(seen.presence), seen.presence[0], seen.presence[-1]) == (12, 1.0, pytest.approx(0.2))
    assert (seen.is_silenced, silenced.is_silenced) == (False, True)
    assert click.seen[0].frame.record_start_s == 0.0
    assert click.seen[0].heat.tolist() == [[1.0, 0.0]]
    assert click.seen[3].heat.tolist() == [[0.0, pytest.approx(0.2)]]
    done = draw(rendered, tmp_path / "overview.png")
    assert done.returncode == 0, done.stderr


def test_evidence_that_cannot_be_read_is_left_out(rendered: Path) -> None:
    for stem in (rendered.parent / "stems").glob("*.wav"):
        stem.with_suffix(".evidence.json").write_text("{", encoding="utf-8")
    overview = collect_overview(rendered)
    assert overview.missing == ()
    assert all(row.seen == () for row in overview.rows)


def draw(timeline: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own: matplotlib keeps fonts open until the end of the process that has loaded it."""
    command = [sys.executable, "-m", "selva_cli", "overview", str(timeline), "-o", str(target), "--json"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_draws_it(rendered: Path, tmp_path: Path) -> None:
    done = draw(rendered, tmp_path / "overview.png")
    assert done.returncode == 0, done.stderr
    reply = json.loads(done.stdout)
    assert (reply["stem_tracks"], reply["missing"]) == (2, [])
    assert (tmp_path / "overview.png").read_bytes().startswith(b"\x89PNG")
    assert is_drawn_here(tmp_path / "overview.png"), "so that it is replaced the next time"
    refused = draw(rendered, tmp_path / "nowhere" / "overview.png")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["error"]["code"] == "output"
    assert "nowhere" in refused.stderr


def test_media_and_stems_that_are_gone_are_named_and_the_rest_is_drawn(rendered: Path) -> None:
    (rendered.parent / "shot #1.mov").unlink()
    first = sorted((rendered.parent / "stems").iterdir())[0]
    first.unlink()
    overview = collect_overview(rendered)
    assert overview.strip == ()
    assert sum(len(row.stems) for row in overview.rows) == 3
    assert any(str(first) in line for line in overview.missing)
    assert any("shot #1.mov" in line for line in overview.missing)


def test_a_timeline_without_stems_is_refused(tmp_path: Path) -> None:
    path = write_cut(otio.schema.Timeline("empty"), tmp_path / "cut.otio")
    with pytest.raises(NothingToSpotError, match="has no stem tracks"):
        collect_overview(path)
