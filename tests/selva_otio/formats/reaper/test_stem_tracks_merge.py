"""Stem tracks into projects that are there, rendered, edited in REAPER and rendered again."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import (
    PlacementResult,
    Stem,
    load_timeline,
    parse_stem_track,
    place_stems,
    spot_timeline,
    write_timeline,
)
from selva_otio.errors import TimelineWriteError
from selva_otio.formats.reaper.adapter import read_from_file, write_to_file
from selva_otio.time.clock import exact_seconds
from selva_otio.timelines import check_timeline_target
from tests.selva_otio.formats.reaper.projects import FILM, OPEN_FOLDERS, REEL

FIRST_CLIP = "0.54220833333333"


def copy_project(source: Path, folder: Path) -> Path:
    target = folder / "cut.rpp"
    target.write_bytes(source.read_bytes())
    return target


def place(
    timeline: otio.schema.Timeline, folder: Path, *prompts: str, seed: int = 1, takes: int = 1
) -> PlacementResult:
    """Stems for every clip; the files are named by seed, as a render names them."""
    tracks = [parse_stem_track(prompt) for prompt in prompts]
    sheet = spot_timeline(timeline, tracks, base_folder=folder)
    stems = [
        Stem(
            cue=cue.id,
            take=take,
            seed=seed + take,
            file=folder / "stems" / f"{cue.id}-{seed + take}.wav",
            sample_rate_hz=48_000,
            num_samples=48_000,
        )
        for cue in sheet.cues
        for take in range(1, takes + 1)
    ]
    return place_stems(timeline, sheet, stems)


def render(source: Path, target: Path, *prompts: str, seed: int = 1, takes: int = 1) -> PlacementResult:
    placed = place(load_timeline(source), source.parent, *prompts, seed=seed, takes=takes)
    write_timeline(placed.timeline, target)
    return placed


def stem_tracks(path: Path) -> dict[str, otio.schema.Track]:
    timeline = read_from_file(str(path))
    return {track.name: track.clone() for track in timeline.tracks if "selva" in track.metadata}


def item_of(text: str, cue_position: str) -> str:
    """The text of the item on a stem track that lies at a position."""
    items: list[str] = re.findall(r"    <ITEM\r?\n.*?\n    >\r?\n", text, re.DOTALL)
    return next(item for item in items if f"POSITION {cue_position}\n" in item and "selva_facts" in item)


@pytest.mark.parametrize("source", [FILM, REEL], ids=lambda path: path.stem)
def test_all_of_a_project_but_the_new_tracks_is_the_same_bytes(source: Path, tmp_path: Path) -> None:
    cut = copy_project(source, tmp_path)
    render(cut, tmp_path / "out.rpp", "Dog=small dog barking", "Door=wooden door")
    before, after = cut.read_bytes(), (tmp_path / "out.rpp").read_bytes()
    newline = b"\r\n" if b"\r\n" in before else b"\n"
    body = before.partition(b"  <EXTENSIONS")[0]
    at = body.rindex(b"\n  >" + newline) + 4 + len(newline)
    added = len(after) - len(before)
    assert added > 0
    assert after[:at] + after[at + added :] == before
    assert after[at : at + added].count(b"\n") == after[at : at + added].count(newline)


def test_stems_are_on_named_tracks_in_a_folder_at_the_end(tmp_path: Path) -> None:
    cut = copy_project(FILM, tmp_path)
    render(cut, tmp_path / "out.rpp", "Dog=small dog barking", "Door=wooden door")
    tracks = stem_tracks(tmp_path / "out.rpp")
    assert list(tracks) == ["Dog", "Door"]
    for track in tracks.values():
        assert list(track.metadata["REAPER"]["folders"]) == ["Selva"]
        cursor, found = Fraction(0), []
        for child in track:
            if isinstance(child, otio.schema.Clip):
                found.append(cursor)
            cursor += exact_seconds(child.duration())
        assert found == [frame * Fraction(1001, 24000) for frame in (13, 48, 96)]
    assert tracks["Dog"].metadata["selva"]["prompts"][0] == "small dog barking"


def test_takes_are_takes_and_paths_are_relative(tmp_path: Path) -> None:
    cut = copy_project(OPEN_FOLDERS, tmp_path)
    render(cut, tmp_path / "out.rpp", "Dog=small dog barking", takes=3)
    (clip,) = stem_tracks(tmp_path / "out.rpp")["Dog"].find_clips()
    assert list(clip.media_references()) == ["take_1", "take_2", "take_3"]
    text = (tmp_path / "out.rpp").read_text(encoding="utf-8")
    assert len(re.findall(r'FILE "stems/[0-9a-f]+-[234]\.wav"', text)) == 3


def test_the_metadata_of_many_takes_survives_on_short_lines(tmp_path: Path) -> None:
    cut = copy_project(OPEN_FOLDERS, tmp_path)
    placed = render(cut, tmp_path / "out.rpp", "Dog=small dog barking", takes=12)
    (before,) = placed.timeline.tracks[-1].find_clips()
    (after,) = stem_tracks(tmp_path / "out.rpp")["Dog"].find_clips()
    assert [take["url"] for take in after.metadata["selva"]["takes"]] == [
        take["url"] for take in before.metadata["selva"]["takes"]
    ]
    text = (tmp_path / "out.rpp").read_text(encoding="utf-8")
    assert "selva_facts_2 " in text
    assert max(map(len, text.splitlines())) < 1100


def test_folders_that_a_project_leaves_open_are_closed_before_the_stem_tracks(tmp_path: Path) -> None:
    cut = copy_project(OPEN_FOLDERS, tmp_path)
    render(cut, tmp_path / "out.rpp", "Dog=small dog barking")
    dog = stem_tracks(tmp_path / "out.rpp")["Dog"]
    assert list(dog.metadata["REAPER"]["folders"]) == ["Selva"]
    text = (tmp_path / "out.rpp").read_text(encoding="utf-8")
    assert "ISBUS 2 -2\n" in text
    without = text.replace("ISBUS 2 -2\n", "ISBUS 2 -1\n", 1)
    assert without.startswith(cut.read_text(encoding="utf-8")[:-2])


def test_a_second_render_of_the_same_stems_changes_no_byte(tmp_path: Path) -> None:
    cut, out, again = copy_project(FILM, tmp_path), tmp_path / "out.rpp", tmp_path / "again.rpp"
    render(cut, out, "Dog=small dog barking")
    timeline = load_timeline(out)
    write_timeline(timeline, again)
    assert again.read_bytes() == out.read_bytes()


def test_a_second_render_replaces_untouched_stems(tmp_path: Path) -> None:
    cut, out, again = copy_project(FILM, tmp_path), tmp_path / "out.rpp", tmp_path / "again.rpp"
    render(cut, out, "Dog=small dog barking", seed=1)
    placed = render(out, again, "Dog=small dog barking", seed=50)
    assert not placed.edited_cues
    text = again.read_text(encoding="utf-8")
    assert re.findall(r"-2\.wav", text) == []
    assert len(re.findall(r'FILE "stems/[0-9a-f]+-51\.wav"', text)) == 3
    assert text.count("selva_folder") == 1
    assert list(stem_tracks(again)) == ["Dog"]


@pytest.mark.parametrize(
    ("name", "was", "becomes"),
    [
        ("moved", "POSITION 0.54220833333333\n", "POSITION 0.74220833333333\n"),
        ("trimmed", "LENGTH 1.25125\n", "LENGTH 1\n"),
        ("muted", "MUTE 0 0\n", "MUTE 1 0\n"),
        ("turned down", "VOLPAN 1 0 1 -1\n", "VOLPAN 0.5 0 1 -1\n"),
        ("faded", "FADEOUT 1 0 0 1 0 0 0\n", "FADEOUT 1 0.5 0 1 0 0 0\n"),
        ("pitched", "PLAYRATE 1 1 0 -1", "PLAYRATE 1 1 -3 -1"),
    ],
)
def test_a_stem_that_an_editor_changed_in_reaper_keeps_its_bytes(
    name: str, was: str, becomes: str, tmp_path: Path
) -> None:
    cut, out, again = copy_project(FILM, tmp_path), tmp_path / "out.rpp", tmp_path / "again.rpp"
    text = render_text(cut, out)
    mine = item_of(text, FIRST_CLIP)
    assert was in mine, name
    edited = mine.replace(was, becomes)
    out.write_text(text.replace(mine, edited), encoding="utf-8", newline="")
    placed = render(out, again, "Dog=small dog barking", seed=50)
    assert len(placed.edited_cues) == 1
    result = again.read_text(encoding="utf-8")
    assert edited in result
    assert len(re.findall(r'FILE "stems/[0-9a-f]+-51\.wav"', result)) == 2


def render_text(cut: Path, out: Path) -> str:
    render(cut, out, "Dog=small dog barking", seed=1)
    return out.read_text(encoding="utf-8")


def test_items_that_an_editor_put_on_a_stem_track_stay(tmp_path: Path) -> None:
    cut, out, again = copy_project(FILM, tmp_path), tmp_path / "out.rpp", tmp_path / "again.rpp"
    text = render_text(cut, out)
    own = '    <ITEM\n      POSITION 60\n      LENGTH 1\n      <SOURCE WAVE\n        FILE "own.wav"\n      >\n    >\n'
    head, dog, tail = text.rpartition("    <ITEM\n")
    out.write_text(head + own + dog + tail, encoding="utf-8", newline="")
    render(out, again, "Dog=small dog barking", seed=50)
    assert own in again.read_text(encoding="utf-8")


def test_a_new_prompt_joins_the_folder_that_ends_the_project(tmp_path: Path) -> None:
    cut, out, again = copy_project(FILM, tmp_path), tmp_path / "out.rpp", tmp_path / "again.rpp"
    render(cut, out, "Dog=small dog barking")
    render(out, again, "Door=wooden door")
    tracks = stem_tracks(again)
    assert {name: list(track.metadata["REAPER"]["folders"]) for name, track in tracks.items()} == {
        "Dog": ["Selva"],
        "Door": ["Selva"],
    }
    assert again.read_text(encoding="utf-8").count("selva_folder") == 1


def test_no_track_changes_its_number(tmp_path: Path) -> None:
    """Sends name tracks by number, so nothing goes between tracks: a second folder is made at the end."""
    cut, out, again = copy_project(OPEN_FOLDERS, tmp_path), tmp_path / "out.rpp", tmp_path / "again.rpp"
    render(cut, out, "Dog=small dog barking")
    text = out.read_text(encoding="utf-8")
    music = "  <TRACK {70000000-0000-4000-8000-000000000009}\n    NAME Music\n    ISBUS 0 0\n  >\n"
    out.write_text(text[:-2] + music + ">\n", encoding="utf-8", newline="")
    render(out, again, "Door=wooden door")
    names = re.findall(r"\n    NAME (\S+)", again.read_text(encoding="utf-8"))
    assert names == ["Outer", "Inner", "Last", "Selva", "Dog", "Music", "Selva", "Door"]


def test_guids_are_new_unique_and_the_same_each_time(tmp_path: Path) -> None:
    cut = copy_project(FILM, tmp_path)
    render(cut, tmp_path / "out.rpp", "Dog=small dog barking", takes=2)
    render(cut, tmp_path / "same.rpp", "Dog=small dog barking", takes=2)
    text = (tmp_path / "out.rpp").read_text(encoding="utf-8")
    assert text == (tmp_path / "same.rpp").read_text(encoding="utf-8")
    guids = re.findall(r"\b(?:IGUID|GUID|TRACKID) (\{[0-9A-F-]{36}\})", text)
    assert len(guids) == len(set(guids))


def test_a_project_with_relative_media_is_written_to_its_own_folder_only(tmp_path: Path) -> None:
    cut = copy_project(FILM, tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    check_timeline_target(tmp_path / "out.rpp", cut)
    with pytest.raises(TimelineWriteError, match="beside the old one"):
        check_timeline_target(elsewhere / "out.rpp", cut)


def test_edits_other_than_stems_are_refused_and_not_lost(tmp_path: Path) -> None:
    cut = copy_project(FILM, tmp_path)
    timeline = load_timeline(cut)
    del timeline.tracks[0][0]
    with pytest.raises(TimelineWriteError, match="more than stem tracks"):
        write_timeline(timeline, tmp_path / "out.rpp")
    write_to_file(timeline, str(tmp_path / "new.rpp"))
    assert (tmp_path / "new.rpp").exists()


def test_the_text_of_a_project_is_not_written_into_otio_files(tmp_path: Path) -> None:
    cut = copy_project(FILM, tmp_path)
    write_timeline(load_timeline(cut), tmp_path / "out.otio")
    assert "REAPER_PROJECT" not in (tmp_path / "out.otio").read_text(encoding="utf-8")
    assert "RECORD_CFG" not in (tmp_path / "out.otio").read_text(encoding="utf-8")


def test_stems_of_another_timeline_go_into_a_named_project(tmp_path: Path) -> None:
    cut = copy_project(FILM, tmp_path)
    plain = read_from_file(str(cut))
    placed = place(plain, tmp_path, "Dog=small dog barking")
    otio.adapters.write_to_file(placed.timeline, str(tmp_path / "out.rpp"), project=str(cut))
    assert list(stem_tracks(tmp_path / "out.rpp")) == ["Dog"]
    again = place(plain, tmp_path, "Dog=small dog barking", seed=50)
    otio.adapters.write_to_file(
        again.timeline, str(tmp_path / "again.rpp"), project=str(tmp_path / "out.rpp")
    )
    text = (tmp_path / "again.rpp").read_text(encoding="utf-8")
    assert len(re.findall(r'FILE "stems/[0-9a-f]+-51\.wav"', text)) == 3
    assert re.findall(r"-2\.wav", text) == []


def test_stems_in_a_new_project_have_a_folder_too(tmp_path: Path) -> None:
    placed = place(read_from_file(str(OPEN_FOLDERS)), tmp_path, "Dog=small dog barking")
    write_to_file(placed.timeline, str(tmp_path / "out.rpp"))
    dog = stem_tracks(tmp_path / "out.rpp")["Dog"]
    assert list(dog.metadata["REAPER"]["folders"]) == ["Selva"]
    assert dog.find_clips()[0].metadata["selva"]["prompt"] == "small dog barking"
