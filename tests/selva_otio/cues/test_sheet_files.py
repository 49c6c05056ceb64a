"""Cue sheet files: TOML, and CSV from spreadsheets."""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import load_cue_sheet
from selva_otio.errors import CueError
from tests.selva_otio.cues.spotted import cue_rows, spot


def test_rows_by_clip_name_and_by_timecode(tmp_path: Path, timeline: otio.schema.Timeline) -> None:
    path = tmp_path / "cues.toml"
    path.write_text(
        '[[cue]]\ntrack = "Dog"\nprompt = "barking"\nclip = "A*"\ntakes = 2\ngain_db = -3\n'
        '[[cue]]\ntrack = "Rain"\nprompt = "rain"\nnegative = "thunder"\nfrom = "00:00:01:12"\nto = "3"\n',
        encoding="utf-8",
    )
    sheet = spot(timeline, rows=load_cue_sheet(path))
    assert cue_rows(sheet) == [
        ("a", "Dog", "barking", 0, 48),
        ("a", "Rain", "rain", 36, 48),
        ("b", "Rain", "rain", 60, 72),
    ]
    assert (sheet.cues[0].num_takes, sheet.cues[0].gain_db) == (2, -3.0)
    assert sheet.cues[1].negative_prompt == "thunder"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_file_of_a_spreadsheet_is_read(
    tmp_path: Path, timeline: otio.schema.Timeline, delimiter: str
) -> None:
    path = tmp_path / "cues.csv"
    lines = ["Track,Prompt,Clip,From,To,Takes,Gain_dB", 'Dog,"small dog, barking",b,,,,', ",,,,,,"]
    path.write_text("\ufeff" + "\r\n".join(line.replace(",", delimiter) for line in lines), encoding="utf-8")
    prompt = f"small dog{delimiter} barking"
    assert cue_rows(spot(timeline, rows=load_cue_sheet(path))) == [("b", "Dog", prompt, 60, 108)]


def test_decimal_commas_and_unicode_text_of_spreadsheets_are_understood(
    tmp_path: Path, timeline: otio.schema.Timeline
) -> None:
    path = tmp_path / "cues.csv"
    text = "track;prompt;from;to;gain_db\r\nTür;Tür fällt zu;0,5;1,5;-6,5\r\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_text(text, encoding=encoding, newline="")
        sheet = spot(timeline, rows=load_cue_sheet(path))
        assert cue_rows(sheet) == [("a", "Tür", "Tür fällt zu", 12, 36)]
        assert sheet.cues[0].gain_db == -6.5
    path.write_text(text, encoding="latin-1", newline="")
    with pytest.raises(CueError, match="CSV UTF-8"):
        load_cue_sheet(path)


def test_a_row_that_matches_no_clip_gives_a_warning(tmp_path: Path, timeline: otio.schema.Timeline) -> None:
    path = tmp_path / "cues.csv"
    path.write_text("track,prompt,clip\nDog,barking,a\nCat,meows,zzz\n", encoding="utf-8")
    sheet = spot(timeline, rows=load_cue_sheet(path))
    assert sheet.warnings == (
        "cues.csv, line 3: its cue for 'Cat' is not used: no clip matches it, or another source has precedence",
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.toml", "[[cue]]\ntrack = 'Dog'\n", "c.toml, cue 1: track 'Dog' needs a prompt"),
        ("c.toml", "[[cue]]\ntrak = 'Dog'\n", "trak is not known"),
        ("c.toml", "[[cue]\n", "is no TOML"),
        ("c.toml", "cue = 5\n", "list of"),
        ("c.toml", "", "holds no cue"),
        ("c.csv", "track,prompt\n", "holds no cue"),
        ("c.csv", "track,prompt\nDog,barking,extra\n", "line 2: it has more columns"),
        ("c.csv", "track,prompt,takes\nDog,barking,many\n", "line 2: takes is a whole number"),
        ("c.csv", "track,prompt,takes\nDog,barking,99\n", "takes are 1 to 64"),
        ("c.csv", "track,prompt,gain_db\nDog,barking,nan\n", "a gain lies within"),
        ("c.txt", "track,prompt\n", ".toml or .csv"),
    ],
)
def test_malformed_files_are_refused_with_the_row(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CueError, match=message):
        load_cue_sheet(path)


@pytest.mark.parametrize(("start", "end"), [("00:00:99:00", ""), ("2", "1"), ("soon", "")])
def test_times_that_do_not_exist_on_the_timeline_are_refused(
    tmp_path: Path, timeline: otio.schema.Timeline, start: str, end: str
) -> None:
    path = tmp_path / "cues.csv"
    path.write_text(f"track,prompt,from,to\nDog,barking,{start},{end}\n", encoding="utf-8")
    with pytest.raises(CueError, match=r"cues\.csv, line 2"):
        spot(timeline, rows=load_cue_sheet(path))


@pytest.mark.parametrize("takes", ["2", "2.0", '"2"'])
def test_a_whole_number_of_takes_is_accepted_in_every_notation(tmp_path: Path, takes: str) -> None:
    path = tmp_path / "cues.toml"
    path.write_text(f'[[cue]]\ntrack = "Dog"\nprompt = "barking"\ntakes = {takes}\n', encoding="utf-8")
    assert [row.stem_track.num_takes for row in load_cue_sheet(path)] == [2]


@pytest.mark.parametrize("takes", ["2.7", "true", "[2]", '"1/0"'])
def test_takes_that_are_no_whole_number_are_refused_and_not_rounded(tmp_path: Path, takes: str) -> None:
    path = tmp_path / "cues.toml"
    path.write_text(f'[[cue]]\ntrack = "Dog"\nprompt = "barking"\ntakes = {takes}\n', encoding="utf-8")
    with pytest.raises(CueError, match="cue 1: takes is a whole number"):
        load_cue_sheet(path)
