"""Request bundles as any OpenTimelineIO program meets them: through the installed plugin, files only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

import selva_otio
from selva_otio.errors import CueError, TimelineError
from selva_otio.formats.request_bundle.bundle_folder import load_bundle_folder
from tests.selva_otio.formats.request_bundle.bundles import (
    DOG,
    make_cut,
    make_stem,
    media_file,
    stem_files,
    write_bundle_file,
)

MANIFEST = Path(selva_otio.__file__).parent / "plugin_manifest.json"


def run_tool(tool: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    code = f"from opentimelineio.console import {tool}; {tool}.main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture
def cut(tmp_path: Path) -> otio.schema.Timeline:
    return make_cut(media_file(tmp_path))


def read(path: Path, **options: object) -> otio.schema.Timeline:
    return otio.adapters.read_from_file(str(path), **options)


def without_ours(timeline: otio.schema.Timeline) -> str:
    clone = timeline.clone()
    del clone.metadata["selva"]
    return str(clone.to_json_string())


@pytest.mark.parametrize("name", ["cut.selva", "cut.selvaz", "CUT.SELVA"])
def test_a_cut_reads_back_unchanged_with_its_request_in_the_metadata(
    cut: otio.schema.Timeline, tmp_path: Path, name: str
) -> None:
    before = cut.to_json_string()
    assert otio.adapters.write_to_file(cut, str(tmp_path / name), tracks=DOG) is None
    assert cut.to_json_string() == before
    back = read(tmp_path / name)
    assert without_ours(back) == cut.to_json_string()
    assert dict(back.metadata["selva"]["tracks"][0]) == {"track": "Dog", "prompt": DOG["Dog"]}


def test_unknown_schemas_and_fields_of_other_programs_are_kept(
    cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    strange = '{"OTIO_SCHEMA": "StudioGrade.3", "lut": {"name": "night"}}'
    cut.tracks[0][0].metadata["grade"] = otio.core.deserialize_json_from_string(strange)
    cut.metadata["selva"] = {"later": {"a": 1}, "bundle": {"schema": "selva.bundle/1", "priority": "night"}}
    bundle = write_bundle_file(cut, tmp_path / "cut.selva", tracks=DOG, takes=2)
    write_bundle_file(read(bundle.folder), bundle.folder, seed=7)
    back = read(bundle.folder)
    assert "StudioGrade.3" in back.to_json_string()
    assert back.metadata["selva"]["later"] == {"a": 1}
    metadata = back.metadata["selva"]["bundle"]
    assert (metadata["priority"], metadata["options"]["takes"], metadata["options"]["seed"]) == (
        "night",
        2,
        7,
    )
    assert dict(back.metadata["selva"]["tracks"][0]) == {"track": "Dog", "prompt": DOG["Dog"]}


def test_stems_are_on_their_tracks_as_soon_as_they_are_in_the_bundle(
    cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    bundle = write_bundle_file(
        cut, tmp_path / "cut.selva", tracks={**DOG, "Rain": {"prompt": "rain", "takes": 2}}, handles="1/4"
    )
    assert stem_files(read(bundle.folder)) == {}
    cues = {(cue.track, cue.clip.name): cue for cue in bundle.spot().cues}
    first = make_stem(bundle, cues["Dog", "two"])
    assert stem_files(read(bundle.folder)) == {"Dog": [first.name]}
    takes = [make_stem(bundle, cues["Rain", "one"], number=take) for take in (2, 1)]
    back = read(bundle.folder)
    assert stem_files(back) == {"Dog": [first.name], "Rain": [takes[1].name, takes[0].name]}
    (clip,) = back.tracks[1].find_clips()
    assert clip.media_reference.target_url == first.as_uri()
    assert back.tracks[1].range_of_child(clip).start_time == otio.opentime.RationalTime(
        30, cut.global_start_time.rate
    )
    assert clip.metadata["selva"]["prompt"] == "small dog barking"


def test_stems_of_an_earlier_request_are_passed_over(cut: otio.schema.Timeline, tmp_path: Path) -> None:
    bundle = write_bundle_file(cut, tmp_path / "cut.selva", tracks=DOG, model="selva-nano", steps=25)
    cue = bundle.spot().cues[0]
    for changes in (
        {"prompt": "big dog"},
        {"seed": "41"},
        {"model": "selva-echo"},
        {"num_steps": "5"},
        {"quality": "draft"},
        {"take": "2"},
    ):
        make_stem(bundle, cue, changes=changes)
    (bundle.stems_folder / "other.wav").write_bytes(b"RIFF\x04\x00\x00\x00WAVE")
    assert stem_files(read(bundle.folder)) == {}
    right = make_stem(bundle, cue)
    assert stem_files(read(bundle.folder)) == {"Dog": [right.name]}
    write_bundle_file(cut, bundle.folder, tracks={"Dog": "big dog"})
    assert stem_files(read(bundle.folder)) == {"Dog": ["Dog_one_t01_big%20dog_0.1.wav"]}


def test_draft_stems_fill_a_request_for_drafts_and_their_finals_take_their_places(
    cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    bundle = write_bundle_file(cut, tmp_path / "cut.selva", tracks=DOG, quality="draft")
    cue = bundle.spot().cues[0]
    draft = make_stem(bundle, cue, changes={"quality": "draft", "num_steps": "2"})
    assert stem_files(read(bundle.folder)) == {"Dog": [draft.name]}
    write_bundle_file(cut, bundle.folder, tracks=DOG, quality="final")
    assert stem_files(read(bundle.folder)) == {}
    final = make_stem(bundle, cue)
    assert stem_files(read(bundle.folder)) == {"Dog": [final.name]}


def test_separated_stems_fill_a_request_only_with_the_weight_and_the_siblings_that_it_has(
    cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    bundle = write_bundle_file(
        cut, tmp_path / "cut.selva", tracks=["Dog=small dog barking", "Rain=rain"], separate=1
    )
    dog = next(cue for cue in bundle.spot().cues if cue.track == "Dog")
    for weight, siblings in (("0.5", ["rain"]), ("1", ["wind"]), ("1", ["rain", "wind"])):
        make_stem(bundle, dog, changes={"separate": weight, "separated_from": json.dumps(siblings)})
    make_stem(bundle, dog)
    assert stem_files(read(bundle.folder)) == {}
    right = make_stem(bundle, dog, changes={"separate": "1", "separated_from": '["rain"]'})
    assert stem_files(read(bundle.folder)) == {"Dog": [right.name]}
    (clip,) = read(bundle.folder).audio_tracks()[0].find_clips()
    assert clip.metadata["selva"]["takes"][0]["separate"] == 1.0


def test_a_stem_file_that_is_not_whole_is_passed_over(cut: otio.schema.Timeline, tmp_path: Path) -> None:
    bundle = write_bundle_file(cut, tmp_path / "cut.selva", tracks=DOG)
    stem = make_stem(bundle, bundle.spot().cues[0])
    whole = stem.read_bytes()
    stem.write_bytes(whole[: len(whole) // 2])
    assert stem_files(read(bundle.folder)) == {}
    stem.write_bytes(whole)
    assert stem_files(read(bundle.folder)) == {"Dog": [stem.name]}


def test_stems_of_a_zip_have_urls_inside_it_unless_it_is_unpacked(
    cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    from selva_otio.formats.request_bundle.bundle_zip import pack_zip  # noqa: PLC0415

    bundle = write_bundle_file(cut, tmp_path / "cut.selva", tracks=DOG)
    stem = make_stem(bundle, bundle.spot().cues[0])
    pack_zip(bundle.folder, tmp_path / "cut.selvaz")
    (clip,) = read(tmp_path / "cut.selvaz").tracks[1].find_clips()
    assert clip.media_reference.target_url == f"stems/{stem.name}"
    assert [take["url"] for take in clip.metadata["selva"]["takes"]] == [f"stems/{stem.name}"]
    (tmp_path / "out").mkdir()
    (clip,) = read(tmp_path / "cut.selvaz", extract_to_directory=str(tmp_path / "out")).tracks[1].find_clips()
    assert clip.media_reference.target_url == (tmp_path / "out" / "stems" / stem.name).as_uri()
    assert (tmp_path / "out" / "stems" / stem.name).read_bytes() == stem.read_bytes()
    with pytest.raises(TimelineError, match="exists; unpack to an empty folder"):
        read(tmp_path / "cut.selvaz", extract_to_directory=str(tmp_path / "out"))
    with pytest.raises(CueError, match="is a folder"):
        read(tmp_path / "cut.selva", extract_to_directory=str(tmp_path / "out"))


def test_stem_tracks_are_given_as_a_mapping_as_texts_or_as_a_cue_sheet(
    cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    sheet = tmp_path / "cues.toml"
    sheet.write_text('[[cue]]\ntrack = "Door"\nprompt = "door slam"\nclip = "two"\nto = 2.5\ngain_db = -3\n')
    bundle = write_bundle_file(cut, tmp_path / "a.selva", tracks=["Dog=a dog", "Cat=a cat"], cues=str(sheet))
    assert [(cue.track, cue.clip.name, cue.source) for cue in bundle.spot().cues] == [
        ("Dog", "one", "metadata"),
        ("Cat", "one", "metadata"),
        ("Dog", "two", "metadata"),
        ("Cat", "two", "metadata"),
        ("Door", "two", "cue sheet"),
    ]
    (door,) = (cue for cue in bundle.spot().cues if cue.track == "Door")
    assert (door.gain_db, door.clip.record_end_s) == (-3.0, Fraction(5, 2))
    rows = [{"track": "Dog", "prompt": "row", "takes": 3}]
    bundle = write_bundle_file(read(bundle.folder), tmp_path / "b.selva", tracks={"dog": "map"}, cues=rows)
    assert [(cue.prompt, cue.num_takes) for cue in bundle.spot().cues if cue.track.lower() == "dog"] == [
        ("row", 3)
    ] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tracks": {"Dog": ""}}, "needs a prompt"),
        ({"tracks": {"Dog": {"prompt": "x", "volume": 3}}}, "prompt, negative"),
        ({"tracks": "Dog"}, "NAME=PROMPT"),
        ({"tracks": DOG, "takes": 0}, "takes is a whole number from 1 to 64"),
        ({"tracks": DOG, "seed": True}, "seed is a whole number"),
        ({"tracks": DOG, "guidance": float("nan")}, "guidance is a number"),
        ({"tracks": DOG, "handles": "long"}, "handles: a time is seconds"),
        ({"tracks": DOG, "handles": 61}, "0 to 60 s"),
        ({"tracks": DOG, "video_track": "V9"}, "no video track is named"),
        ({"tracks": DOG, "media": "all"}, "linked, small"),
        ({"tracks": DOG, "on_progress": print}, "wait=True"),
        ({"cues": "none.toml"}, "cannot be read"),
        ({"cues": [{"prompt": "x"}]}, "needs a name"),
        ({"cues": [{"track": "Dog", "prompt": "x", "clip": "three"}]}, "no cue lies on a clip"),
    ],
)
def test_invalid_stem_tracks_are_refused_before_anything_is_written(
    cut: otio.schema.Timeline, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        otio.adapters.write_to_file(cut, str(tmp_path / "cut.selva"), **options)
    assert os.listdir(tmp_path) == ["shot.mov"]


def test_options_that_do_not_exist_are_refused(cut: otio.schema.Timeline, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="promts"):
        otio.adapters.write_to_file(cut, str(tmp_path / "cut.selva"), promts=DOG)
    assert os.listdir(tmp_path) == ["shot.mov"]


def test_a_cut_without_stem_tracks_is_bundled_and_refused_when_it_is_spotted(
    cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    bundle = write_bundle_file(cut, tmp_path / "cut.selva")
    with pytest.raises(CueError, match="nothing says what to hear"):
        bundle.spot()
    assert without_ours(read(bundle.folder)) == cut.to_json_string()


def test_a_project_folder_can_be_moved_as_a_whole(tmp_path: Path) -> None:
    project = tmp_path / "project"
    media = media_file(project / "footage", "A 001.mov")
    (project / "jobs").mkdir()
    bundle = write_bundle_file(make_cut(media), project / "jobs" / "cut.selva", tracks=DOG)
    cue_ids = [cue.id for cue in bundle.spot().cues]
    moved = project.rename(tmp_path / "moved")
    back = read(moved / "jobs" / "cut.selva")
    assert {clip.media_reference.target_url for clip in back.tracks[0].find_clips()} == {
        (moved / "footage" / "A 001.mov").as_uri()
    }
    assert [cue.id for cue in load_bundle_folder(moved / "jobs" / "cut.selva").spot().cues] == cue_ids


def test_media_of_another_system_is_found_beside_the_bundle(tmp_path: Path) -> None:
    url = "file:///C:/Users/ed/footage/shot.mov"
    media = media_file(tmp_path / "footage")
    cut = make_cut(media, url=url)
    cut.metadata["selva"] = {"bundle": {"schema": "selva.bundle/1", "media": {url: "footage/shot.mov"}}}
    (tmp_path / "cut.selva").mkdir()
    (tmp_path / "cut.selva" / "timeline.otio").write_text(cut.to_json_string())
    back = read(tmp_path / "cut.selva")
    assert {clip.media_reference.target_url for clip in back.tracks[0].find_clips()} == {media.as_uri()}
    media.unlink()
    assert {c.media_reference.target_url for c in read(tmp_path / "cut.selva").tracks[0].find_clips()} == {
        url
    }


def test_image_sequence_folders_are_found_again_after_a_move(tmp_path: Path) -> None:
    project = tmp_path / "project"
    media_file(project / "plates", "plate.0012.png")
    cut = make_cut(project / "unused.mov")
    for clip in cut.find_clips():
        span = clip.media_reference.available_range
        clip.media_reference = otio.schema.ImageSequenceReference(
            target_url_base=(project / "plates").as_uri() + "/",
            name_prefix="plate.",
            name_suffix=".png",
            rate=span.duration.rate,
            frame_zero_padding=4,
            available_range=span,
        )
    write_bundle_file(cut, project / "cut.selva", tracks=DOG)
    moved = project.rename(tmp_path / "moved")
    clip = next(iter(read(moved / "cut.selva").find_clips()))
    assert clip.media_reference.target_url_base == (moved / "plates").as_uri() + "/"


def test_relative_media_starts_from_the_folder_the_bundle_lies_in(tmp_path: Path) -> None:
    media = media_file(tmp_path / "footage")
    bundle = write_bundle_file(make_cut(media, url="footage/shot.mov"), tmp_path / "cut.selva", tracks=DOG)
    assert {cue.clip.media_path for cue in bundle.spot().cues} == {media}
    assert read(bundle.folder).tracks[0][0].media_reference.target_url == "footage/shot.mov"


def test_otioconvert_and_otiotool_work_with_bundles_in_a_fresh_process(
    cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    otio.adapters.write_to_file(cut, str(tmp_path / "cut.otio"))
    there, back = tmp_path / "cut.selva", tmp_path / "back.otio"
    done = run_tool(
        "otioconvert", "-i", tmp_path / "cut.otio", "-o", there, "-A", "tracks={'Dog': 'small dog barking'}"
    )
    assert done.returncode == 0, done.stderr
    done = run_tool("otioconvert", "-i", there, "-o", back)
    assert done.returncode == 0, done.stderr
    assert without_ours(read(back)) == cut.to_json_string()
    done = run_tool("otiotool", "-i", there, "--list-tracks")
    assert done.returncode == 0, done.stderr
    assert "V1" in done.stdout


def test_the_manifest_alone_is_enough_where_entry_points_are_off(
    cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    otio.adapters.write_to_file(cut, str(tmp_path / "cut.otio"))
    alone = {"OTIO_DISABLE_ENTRYPOINTS_PLUGINS": "1", "OTIO_PLUGIN_MANIFEST_PATH": str(MANIFEST)}
    done = run_tool("otioconvert", "-i", tmp_path / "cut.otio", "-o", tmp_path / "a.selva", **alone)
    assert done.returncode == 0, done.stderr
    done = run_tool("otioconvert", "-i", tmp_path / "a.selva", "-o", tmp_path / "b.rpp", **alone)
    assert done.returncode == 0, done.stderr
    none = {"OTIO_DISABLE_ENTRYPOINTS_PLUGINS": "1", "OTIO_PLUGIN_MANIFEST_PATH": ""}
    done = run_tool("otioconvert", "-i", tmp_path / "cut.otio", "-o", tmp_path / "c.selva", **none)
    assert done.returncode != 0, "the twin: without the manifest there is no such adapter"


def test_reading_and_writing_load_neither_torch_nor_sockets_nor_the_daemon(
    cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    otio.adapters.write_to_file(cut, str(tmp_path / "cut.otio"))
    program = (
        "import sys, json, opentimelineio as otio\n"
        f"cut = otio.adapters.read_from_file({str(tmp_path / 'cut.otio')!r})\n"
        f"otio.adapters.write_to_file(cut, {str(tmp_path / 'cut.selva')!r}, tracks={DOG!r})\n"
        f"otio.adapters.read_from_file({str(tmp_path / 'cut.selva')!r})\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = json.loads(done.stdout.splitlines()[-1])
    packages = {name.partition(".")[0] for name in loaded}
    assert not packages & {"torch", "av", "zmq", "selva_daemon", "selva_render", "numpy"}
    assert "selva_otio" in packages
    of_core = {name for name in loaded if name.startswith("selva_core.")}
    assert {name.split(".")[1] for name in of_core} == {"base"}
