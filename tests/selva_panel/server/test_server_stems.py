"""From rows to stems: looking, rendering, choosing, saving; positions are those of `selva render`."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
import soundfile

from selva_core.audio.stem_file import read_stem_file
from selva_core.audio.wav import iter_text_chunks
from selva_core.base.media import PictureRange
from selva_core.base.paths import AppPaths
from selva_core.training.prompts import TRAINING, TRAINING_DETAILS
from selva_daemon.client.client import Client
from selva_daemon.protocol.job import JobRequest, OutputRequest
from selva_otio.timelines import open_timeline
from selva_panel.session.prompt_suggestions import suggest_prompts
from tests.selva_panel.server.conftest import EXAMPLES
from tests.selva_panel.server.panel_process import Panel, running_panel
from tests.support.daemon_fixtures import build_cues

ROWS: tuple[dict[str, Any], ...] = (
    {"id": "dog", "name": "Dog", "prompt": "small dog barking", "takes": 2},
    {"id": "ball", "name": "Ball", "prompt": "ball bouncing", "gain_db": -6.0},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example cut with its media, where stems may be written beside it."""
    folder = tmp_path_factory.mktemp("cut")
    for name in ("cut.otio", "garden.mp4", "hall.mp4", "street.mp4", "yard.mp4"):
        shutil.copy(EXAMPLES / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def rendered(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    """A panel whose rows are rendered, by the engine that makes a click of each flash."""
    with running_panel(folder / "cut.otio", folder=tmp_path_factory.mktemp("selva")) as panel:
        assert panel.request("PUT", "/api/model", {"name": "selva-echo"}).json() == {"model": "selva-echo"}
        panel.put_rows(*ROWS)
        assert panel.state()["estimate"]["stems"] == 12
        with panel.events() as events:
            job_ids = panel.post("/api/render")["job_ids"]
            assert len(job_ids) == 4
            states = {
                message["job"]["state"]
                for message in _until_done(events, job_ids)
                if message["type"] == "job"
            }
            assert "done" in states
        panel.wait_for(lambda state: len(state["stems"]) == 12, "twelve stems")
        yield panel


def _until_done(events: Iterator[dict[str, Any]], job_ids: list[str]) -> Iterator[dict[str, Any]]:
    open_jobs = set(job_ids)
    while open_jobs:
        message = next(events)
        yield message
        if message["type"] == "job" and message["job"]["state"] == "done":
            open_jobs.discard(message["job"]["id"])


def _stem(panel: Panel, **wanted: object) -> dict[str, Any]:
    return next(
        stem for stem in panel.state()["stems"] if all(stem[key] == value for key, value in wanted.items())
    )


def test_every_row_has_a_stem_of_each_clip_and_take(rendered: Panel) -> None:
    state = rendered.state()
    assert {(stem["row_id"], stem["clip_id"], stem["take"]) for stem in state["stems"]} == {
        (row["id"], clip["id"], take)
        for row in ROWS
        for clip in state["clips"]
        for take in range(1, row.get("takes", 1) + 1)
    }
    for stem in state["stems"]:
        clip = next(clip for clip in state["clips"] if clip["id"] == stem["clip_id"])
        assert stem["start_frames"] == clip["start_frames"]
        assert stem["length_samples"] == clip["duration_frames"] * 48_000 // 25
        assert stem["active"] is (stem["take"] == 1)
    assert state["estimate"]["cells"] == 0


def test_what_is_there_is_not_rendered_again(rendered: Panel) -> None:
    reply = rendered.request("POST", "/api/render", {})
    assert reply.status == 409
    assert "already" in reply.json()["error"]["message"]


def test_a_stem_is_heard_in_ranges_and_seen_as_peaks(rendered: Panel) -> None:
    stem_ids = [stem["id"] for stem in rendered.state()["stems"]]
    part = rendered.get(f"/api/stems/{stem_ids[0]}/audio", Range="bytes=0-43")
    assert (part.status, part.body[:4], len(part.body)) == (206, b"RIFF", 44)
    peaks = [rendered.get(f"/api/stems/{stem_id}/peaks?count=100").json() for stem_id in stem_ids]
    assert {len(peak["min"]) for peak in peaks} == {len(peak["max"]) for peak in peaks} == {100}
    assert rendered.get("/api/stems/nothing/audio").status == 404
    assert rendered.get(f"/api/stems/{stem_ids[0]}/peaks?count=1000000").status == 400


def test_the_media_and_its_thumbnails_are_served(rendered: Panel) -> None:
    clip = rendered.state()["clips"][0]
    path = f"/api/media/{clip['media_id']}"
    rendered.wait_for(lambda _: rendered.get(f"{path}/status").json()["state"] == "ready", "the media")
    status = rendered.get(f"{path}/status").json()
    assert (status["proxy"], status["offset"], status["rate"]) == (False, [0, 1], [25, 1])
    part = rendered.get(path, Range="bytes=4-7")
    assert (part.status, part.body, part.headers["content-type"]) == (206, b"ftyp", "video/mp4")
    strip = rendered.get(f"/api/clips/{clip['id']}/strip?width=80&count=3")
    assert (strip.status, strip.body[:2]) == (200, b"\xff\xd8")
    assert rendered.get(f"/api/clips/{clip['id']}/strip?width=80&count=1000").status == 400


def test_one_take_of_a_clip_is_active_and_choices_are_seen_by_all_pages(rendered: Panel) -> None:
    first, second = (_stem(rendered, row_id="dog", take=take) for take in (1, 2))
    other = _stem(rendered, row_id="dog", take=2, clip_id=first["clip_id"])
    with rendered.events() as events:
        reply = rendered.request("PUT", f"/api/stems/{other['id']}", {"active": True, "choice": "keep"})
        assert reply.status == 200
        changed = {stem["id"]: stem for stem in next(m for m in events if "changes" in m)["changes"]["stems"]}
    assert (changed[other["id"]]["active"], changed[other["id"]]["choice"]) == (True, "keep")
    assert changed[first["id"]]["active"] is False
    assert rendered.request("PUT", f"/api/stems/{second['id']}", {"choice": "perhaps"}).status == 400
    rendered.request("PUT", f"/api/stems/{other['id']}", {"choice": "none"})
    rendered.request("PUT", f"/api/stems/{first['id']}", {"active": True})


def test_a_page_that_edited_an_older_revision_gets_what_there_is_now(rendered: Panel) -> None:
    revision = rendered.state()["revision"]
    rendered.put_rows(*ROWS, {"id": "new"})
    rendered.put_rows(*ROWS)
    reply = rendered.request("PUT", "/api/rows", {"revision": revision, "rows": [ROWS[0]]})
    assert reply.status == 409
    assert [row["id"] for row in reply.json()["state"]["rows"]] == ["dog", "ball"]


def _render_by_command(folder: Path, panel: Panel) -> otio.schema.Timeline:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SELVA_")}
    for name in ("STATE", "CACHE", "CONFIG"):
        environment[f"SELVA_{name}_DIR"] = str(panel.folder / name.lower())
    target = folder / "by command.otio"
    done = subprocess.run(
        [
            sys.executable, "-m", "selva_cli", "render", str(folder / "cut.otio"), "-o", str(target), "--json",
            "--model", "selva-echo", "--track", "Dog=small dog barking", "--track", "Ball=ball bouncing", "--takes", "2",
        ],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    timeline = otio.adapters.read_from_file(str(target))
    assert isinstance(timeline, otio.schema.Timeline)
    return timeline


def _placed(timeline: otio.schema.Timeline, track: str) -> list[tuple[object, ...]]:
    found = next(each for each in timeline.audio_tracks() if each.name == track)
    return [
        (
            item.name,
            str(found.range_of_child(item)),
            str(item.source_range),
            item.active_media_reference_key,
            {key: reference.target_url for key, reference in item.media_references().items()},
        )
        for item in found.find_clips()
    ]


def test_a_saved_timeline_has_the_stems_where_the_command_puts_them(rendered: Panel, folder: Path) -> None:
    saved = rendered.post("/api/save", {"format": "otio", "name": "from the panel"})
    assert saved["files"] == [str(folder / "from the panel.otio")]
    download = rendered.get(f"/api/download/{saved['download_id']}")
    assert download.status == 200
    assert "from%20the%20panel.otio" in download.headers["content-disposition"]
    timeline = otio.adapters.read_from_string(download.body.decode(), "otio_json")
    expected = _render_by_command(folder, rendered)
    assert _placed(timeline, "Dog") == _placed(expected, "Dog")
    assert [row[1:3] for row in _placed(timeline, "Ball")] == [row[1:3] for row in _placed(expected, "Ball")]
    assert rendered.state()["placed"]["target"] == "otio"


def test_a_second_save_replaces_nothing_and_removing_takes_back_what_was_written(
    rendered: Panel, folder: Path
) -> None:
    first = rendered.post("/api/save", {"format": "edl", "name": "twice"})
    second = rendered.post("/api/save", {"format": "edl", "name": "twice"})
    assert not set(first["files"]) & set(second["files"])
    assert all(Path(file).is_file() for file in (*first["files"], *second["files"]))
    Path(second["files"][0]).write_text("somebody's own")
    report = rendered.post("/api/place/remove")["report"]
    assert "was changed since" in report[0]["text"]
    assert Path(second["files"][0]).read_text() == "somebody's own"
    assert not any(Path(file).exists() for file in second["files"][1:])
    assert rendered.request("POST", "/api/place/remove", {}).status == 409


def test_a_stem_whose_file_is_gone_is_not_replaced_by_a_guess_and_can_be_rendered_again(
    rendered: Panel, folder: Path
) -> None:
    stem = max(rendered.state()["stems"], key=lambda stem: stem["start_frames"])
    (file,) = folder.rglob(stem["file_name"])
    content = file.read_bytes()
    file.unlink()
    refused = rendered.request("POST", "/api/place/plan", {"target": "otio"})
    assert (refused.status, stem["file_name"] in refused.json()["error"]["message"]) == (404, True)
    job_ids = rendered.post("/api/render")["job_ids"]
    assert len(job_ids) == 1
    rendered.wait_for(
        lambda state: all(job["state"] == "done" for job in state["jobs"] if job["id"] in job_ids), "the stem"
    )
    assert file.read_bytes()[-1000:] == content[-1000:]
    assert len(rendered.post("/api/place/plan", {"target": "otio"})["lines"]) == 12


@pytest.mark.parametrize("name", ["../outside", "/etc/x", "a\\b", "CON", "..", "a\0b"])
def test_a_name_with_a_path_in_it_is_refused(rendered: Panel, name: str) -> None:
    reply = rendered.request("POST", "/api/save", {"format": "otio", "name": name})
    assert reply.status == 400, reply.body


def test_the_plan_names_what_would_go_where_and_is_carried_out_once(rendered: Panel) -> None:
    rejected = _stem(rendered, row_id="dog", take=2)
    rendered.request("PUT", f"/api/stems/{rejected['id']}", {"choice": "reject"})
    plan = rendered.post("/api/place/plan", {"target": "otio", "path": "planned"})
    rendered.request("PUT", f"/api/stems/{rejected['id']}", {"choice": "none"})
    assert len(plan["lines"]) == 11
    assert rejected["id"] not in {line["stem_id"] for line in plan["lines"]}
    assert plan["lines"][0] == {
        "stem_id": _stem(rendered, row_id="ball")["id"], "track": "Ball", "start_timecode": "01:00:00:00", "text": "",
        "seconds": 6.0, "conflict": None,
    }  # fmt: skip
    assert rendered.post("/api/place", {"plan_id": plan["plan_id"]})["files"]
    assert rendered.request("POST", "/api/place", {"plan_id": plan["plan_id"]}).status == 404


def test_more_like_a_stem_are_takes_with_the_seeds_that_follow(rendered: Panel) -> None:
    stem = _stem(rendered, row_id="ball")
    rendered.post("/api/render", {"more_like": stem["id"]})
    cell = (stem["row_id"], stem["clip_id"])
    state = rendered.wait_for(
        lambda state: sum((s["row_id"], s["clip_id"]) == cell for s in state["stems"]) == 4,
        "three more takes",
    )
    takes = [s for s in state["stems"] if (s["row_id"], s["clip_id"]) == cell]
    assert sorted((s["take"], s["seed"]) for s in takes) == [(1, 42), (2, 43), (3, 44), (4, 45)]
    assert state["estimate"]["cells"] == 0


def test_a_stretch_that_is_made_anew_is_a_further_take_and_stays_when_more_takes_are_rendered(
    rendered: Panel,
) -> None:
    stem = _stem(rendered, row_id="dog", take=1)
    cell = (stem["row_id"], stem["clip_id"])
    refused = rendered.request(
        "POST", "/api/redo", {"stem_id": stem["id"], "from_samples": 0, "to_samples": 10**9}
    )
    assert refused.status == 422
    rendered.post(
        "/api/redo", {"stem_id": stem["id"], "from_samples": 24_000, "to_samples": 96_000, "seed": 7}
    )

    def takes(state: dict[str, Any]) -> dict[int, Any]:
        return {s["take"]: s["redone_from"] for s in state["stems"] if (s["row_id"], s["clip_id"]) == cell}

    rendered.wait_for(lambda state: takes(state) == {1: None, 2: None, 3: stem["id"]}, "the new take")
    rendered.put_rows({**ROWS[0], "takes": 3}, ROWS[1])
    rendered.post("/api/render", {"row_ids": ["dog"], "clip_ids": [stem["clip_id"]]})
    rendered.wait_for(
        lambda state: takes(state) == {1: None, 2: None, 3: None, 4: stem["id"]}, "a third take"
    )
    rendered.put_rows(*ROWS)


def test_stems_and_choices_are_there_when_the_panel_is_opened_again(rendered: Panel, folder: Path) -> None:
    """The other panel works on a copy of the state: the first one still runs."""
    (file,) = (
        each for each in (rendered.folder / "state" / "panel").glob("*.json") if each.name != "prompts.json"
    )
    before = rendered.wait_for(
        lambda state: bool(
            [(stem["id"], stem.get("measures")) for stem in json.loads(file.read_text())["stems"]]
            == [(stem["id"], stem["measures"]) for stem in state["stems"]]
            and all(stem["measures"] for stem in state["stems"])
        ),
        "the session's file",
    )
    copy = rendered.folder / "again"
    shutil.copytree(file.parent, copy / "state" / "panel")
    with running_panel(folder / "cut.otio", folder=copy) as again:
        after = again.state()
    for key in ("rows", "stems", "clips", "placed"):
        assert after[key] == before[key]
    assert "small dog barking" in after["suggestions"]


def test_every_suggestion_for_nano_is_a_phrasing_that_it_was_trained_with() -> None:
    known = {
        phrasing for phrasings in (*TRAINING.values(), *TRAINING_DETAILS.values()) for phrasing in phrasings
    }
    assert set(suggest_prompts("selva-nano")) <= known
    assert suggest_prompts("selva-small-16k")
    assert suggest_prompts("selva-echo") == ()


def test_an_id_that_is_not_there_does_not_count_as_rendered(rendered: Panel) -> None:
    for body, name in (
        ({"row_ids": ["dog", "cat"]}, "row of the id 'cat'"),
        ({"row_ids": ["dog"], "clip_ids": ["gone"]}, "clip of the id 'gone'"),
    ):
        reply = rendered.request("POST", "/api/render", body)
        assert (reply.status, name in reply.json()["error"]["message"]) == (404, True)
    known = rendered.request("POST", "/api/render", {"row_ids": ["dog"]})
    assert (known.status, "already" in known.json()["error"]["message"]) == (409, True)


def test_a_row_without_a_prompt_and_a_clip_that_is_left_out_are_named_as_the_reason(rendered: Panel) -> None:
    clip_id = rendered.state()["clips"][0]["id"]
    left_out = {"id": "out", "name": "Out", "prompt": "a bell", "overrides": {clip_id: {"include": False}}}
    rendered.put_rows(*ROWS, {"id": "bare", "name": "Bare"}, left_out)
    bare = rendered.request("POST", "/api/render", {"row_ids": ["bare"]}).json()["error"]
    assert "Bare says nothing of what is heard" in bare["message"]
    assert "small dog barking" in bare["remedy"]
    out = rendered.request("POST", "/api/render", {"row_ids": ["out"], "clip_ids": [clip_id]}).json()["error"]
    assert "is left out" in out["message"]
    rendered.put_rows(*ROWS)


def start_timecode_samples(file: Path) -> int:
    """Where Resolve and Premiere take the first sample of a file to be: the TimeReference of bext, which iXML repeats."""
    with file.open("rb") as stream:
        (bext,) = (chunk for chunk in iter_text_chunks(stream) if chunk.chunk_id == b"bext")
    (reference,) = struct.unpack_from("<Q", bext.payload, 338)
    assert (read_stem_file(file).time_reference_samples or 0) == reference
    return int(reference)


@pytest.mark.parametrize("format_id", ["resolve.otio", "premiere.xml"])
def test_stems_of_a_file_for_resolve_or_premiere_are_where_the_range_says(
    rendered: Panel, folder: Path, format_id: str
) -> None:
    """A range that counts from the first sample is offline in them where the file begins at a time of day."""
    plain = rendered.post("/api/save", {"format": "otio", "name": f"plain {format_id}"})["files"][0]
    saved = rendered.post("/api/save", {"format": format_id, "name": f"for {format_id}"})["files"]
    ours = [item for track in read_stem_tracks(Path(plain)) for item in track]
    theirs = [item for track in read_stem_tracks(Path(saved[0])) for item in track]
    assert {start_timecode_samples(file) for _, file in ours} != {0}
    by_place = dict(ours)
    for place, copy in theirs:
        assert start_timecode_samples(copy) == 0
        if place in by_place:
            original, again = (soundfile.read(file, dtype="int32")[0] for file in (by_place[place], copy))
            assert (original == again).all()
            assert find_provenance_of(by_place[place]) == find_provenance_of(copy)
    assert {start for start, _ in theirs} >= set(by_place)


def find_provenance_of(file: Path) -> dict[str, str]:
    return read_stem_file(file).provenance


def read_stem_tracks(file: Path) -> list[list[tuple[tuple[str, float, float, float], Path]]]:
    """Of each audio track the stems: name of the track, record start, length and offset in the file; and the file."""
    with open_timeline(file) as opened:
        return [
            [
                (
                    (
                        track.name,
                        round(clip.range_in_parent().start_time.to_seconds(), 6),
                        round(clip.duration().to_seconds(), 6),
                        round(clip.trimmed_range().start_time.to_seconds(), 6),
                    ),
                    Path(
                        urllib.request.url2pathname(
                            urllib.parse.urlparse(clip.media_reference.target_url).path
                        )
                    ),
                )
                for clip in track.find_clips()
                if isinstance(clip.media_reference, otio.schema.ExternalReference)
                and clip.media_reference.target_url.endswith(".wav")
            ]
            for track in opened.timeline.audio_tracks()
        ]


def test_jobs_of_other_clients_are_seen_and_the_gpu_is_freed_until_the_next_render(
    rendered: Panel, folder: Path
) -> None:
    paths = AppPaths.find(
        {f"SELVA_{name}_DIR": str(rendered.folder / name.lower()) for name in ("STATE", "CACHE", "CONFIG")}
    )
    request = JobRequest(
        label="somebody's shot",
        media=PictureRange(path=folder / "yard.mp4", start_s=Fraction(0), duration_s=Fraction(2, 5)),
        model="selva-echo",
        output=OutputRequest(folder=folder / "of others", num_samples=19_200),
        cues=build_cues(("boots on gravel",), num_takes=1, seed=1),
    )
    with Client.connect(paths=paths) as client:
        client.pause()
        job_id = client.submit(request).job_id
        state = rendered.wait_for(lambda state: any(not job["mine"] for job in state["jobs"]), "the job")
        (job,) = (job for job in state["jobs"] if not job["mine"])
        assert (job["id"], job["kind"], job["message"]) == (job_id, "other", "somebody's shot")
        assert rendered.request("DELETE", f"/api/jobs/{job_id}").status == 404, "it is theirs to cancel"
        client.cancel(job_id)
        client.resume()
    rendered.wait_for(lambda state: all(job["mine"] for job in state["jobs"]), "the job to be gone")
    assert rendered.post("/api/yield")["daemon"]["yielded"] is True
    rendered.put_rows(*ROWS, {"id": "bell", "name": "Bell", "prompt": "a bell"})
    rendered.post("/api/render", {"row_ids": ["bell"], "clip_ids": [state["clips"][0]["id"]]})
    rendered.wait_for(lambda state: any(stem["row_id"] == "bell" for stem in state["stems"]), "the bell")
    assert rendered.wait_for(lambda state: not state["daemon"]["yielded"], "the device")
    rendered.put_rows(*ROWS)
