"""The page that is sent: one file, whose names are text and whose scripts are ours; what comes back becomes notes and choices."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from tests.selva_panel.server.conftest import EXAMPLES
from tests.selva_panel.server.panel_process import Panel, running_panel

SCRIPT = "</script><script>alert(1)</script>"
RATE_HZ = 48_000


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    """A video with a tone of its own, opened by itself, with one row rendered."""
    folder = tmp_path_factory.mktemp("video")
    add_tone(EXAMPLES / "yard.mp4", folder / "yard.mp4")
    with running_panel(folder / "yard.mp4", folder=tmp_path_factory.mktemp("selva")) as panel:
        panel.request("PUT", "/api/model", {"name": "selva-echo"})
        panel.put_rows({"id": "dog", "name": "Dog", "prompt": SCRIPT, "gain_db": -6.0})
        panel.post("/api/render")
        panel.wait_for(lambda state: len(state["stems"]) == 1, "a stem")
        yield panel


def add_tone(source: Path, target: Path) -> None:
    """The picture of a file, with a tone that begins at 1 s."""
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        picture = written.add_stream_from_template(read.streams.video[0])
        sound = written.add_stream("pcm_s16le" if target.suffix == ".mov" else "aac", rate=RATE_HZ)
        for packet in read.demux(read.streams.video[0]):
            if packet.dts is not None:
                packet.stream = picture
                written.mux(packet)
        samples = np.zeros(4 * RATE_HZ, np.float32)
        samples[RATE_HZ:] = 0.5 * np.sin(np.arange(3 * RATE_HZ) / 20)
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = RATE_HZ
        written.mux(sound.encode(frame))
        written.mux(sound.encode(None))


@pytest.fixture(scope="module")
def page(rendered: Panel) -> str:
    exported = rendered.post("/api/export")
    download = rendered.get(f"/api/download/{exported['download_id']}")
    assert "yard%20with%20sounds.html" in download.headers["content-disposition"]
    return download.body.decode()


def data_of(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def media_of(page: str, element_id: str) -> bytes:
    found = re.search(rf'<script type="application/octet-stream" id="{element_id}">(.*?)</script>', page)
    assert found is not None
    return base64.b64decode(found[1])


def test_the_page_holds_the_picture_and_the_stems(rendered: Panel, page: str) -> None:
    data = data_of(page)
    (stem,) = data["stems"]
    assert (stem["gain_db"], stem["start_s"], data["rows"][0]["prompt"]) == (-6.0, 0.0, SCRIPT)
    samples, rate_hz = soundfile.read(io.BytesIO(media_of(page, stem["sound"])), dtype="float32")
    assert (rate_hz, len(samples)) == (RATE_HZ, rendered.state()["stems"][0]["length_samples"])
    with av.open(io.BytesIO(media_of(page, "picture-0"))) as movie:
        stream = movie.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 640, 360)
        assert sum(1 for _ in movie.decode(stream)) == data["duration_frames"]


def test_scripts_in_names_are_text_and_only_ours_may_run(page: str) -> None:
    assert SCRIPT not in page
    assert len(re.findall(r"<script(?! type=\"application/(?:json|octet-stream)\")", page)) == 1
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy[1]
    assert policy[1].startswith("default-src 'none'")
    assert not re.search(r'(?:src|href)="|https?://', page)


def test_notes_and_choices_come_back_once(rendered: Panel, page: str) -> None:
    data = data_of(page)
    stem_id = data["stems"][0]["id"]
    file = {
        "schema": data["schema"], "session": data["session"], "cut": data["cut"],
        "notes": [{"text": "lower, please", "stem_id": stem_id, "frame": 12, "by": "R."}],
        "choices": {stem_id: "keep", "gone": "reject"},
    }  # fmt: skip
    assert rendered.post("/api/notes/import", file) == {"notes": 1, "choices": 1, "unknown": 1}
    assert rendered.post("/api/notes/import", file) == {"notes": 0, "choices": 0, "unknown": 1}
    state = rendered.state()
    assert state["notes"] == [{"stem_id": stem_id, "frame": 12, "text": "lower, please", "by": "R."}]
    assert state["stems"][0]["choice"] == "keep"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"schema": "selva.panel.notes/9"}, "schema"),
        ({"session": "other"}, "another cut"),
        ({"notes": [{}]}, "text"),
    ],
)
def test_notes_of_something_else_are_refused(rendered: Panel, change: dict[str, Any], text: str) -> None:
    reply = rendered.request("POST", "/api/notes/import", {"schema": "selva.panel.notes/1", **change})
    assert reply.status == 400
    assert text in reply.json()["error"]["message"]


def test_the_cuts_own_sound_is_heard_where_it_is(rendered: Panel) -> None:
    assert rendered.state()["has_production"] is True
    reply = rendered.get("/api/production/audio")
    samples, rate_hz = soundfile.read(io.BytesIO(reply.body), dtype="float32")
    assert (rate_hz, samples.shape[1]) == (RATE_HZ, 2)
    first = int(np.flatnonzero(np.abs(samples[:, 0]) > 0.1)[0])
    assert first == pytest.approx(RATE_HZ, abs=2048)  # an AAC encoder's delay


def test_a_cut_without_sound_has_none(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "yard.mp4", tmp_path / "yard.mp4")
    with running_panel(tmp_path / "yard.mp4", folder=tmp_path / "selva") as panel:
        assert panel.get("/api/production/audio").status == 404


def test_a_second_start_for_the_same_cut_gives_a_link_of_the_first(rendered: Panel) -> None:
    """Two servers would overwrite each other's session."""
    (running,) = (rendered.folder / "state" / "panel" / "running").iterdir()
    content = json.loads(running.read_text())
    assert content["port"] == rendered.port
    reply = rendered.request(
        "POST", "/api/links", headers={"Cookie": None, "Origin": None, "X-Selva-Owner": content["secret"]}
    )
    assert reply.status == 200
    refused = rendered.request(
        "POST", "/api/links", headers={"Cookie": None, "Origin": None, "X-Selva-Owner": "guess"}
    )
    assert refused.status == 403
    elsewhere = rendered.request(
        "POST", "/api/look", {}, headers={"Cookie": None, "Origin": None, "X-Selva-Owner": content["secret"]}
    )
    assert elsewhere.status == 403
