"""Who says what is heard where: track prompts, cue sheets, markers, metadata, and whose word counts."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from selva_otio import CueSheet, CueSheetRow, SpotOptions, StemTrack, load_cue_sheet, spot_timeline
from selva_otio.cues.markers import parse_marker_cue
from selva_otio.errors import CueError
from tests.selva_otio.cuts import CutBuilder

DOG = StemTrack(name="Dog", prompt="small dog barking")


def spot(
    timeline: otio.schema.Timeline, *tracks: StemTrack, rows: list[CueSheetRow] | None = None, **options: Any
) -> CueSheet:
    return spot_timeline(
        timeline, tracks, base_folder=Path("/cuts"), rows=rows or (), options=SpotOptions(**options)
    )


def heard(sheet: CueSheet) -> list[tuple[str, str, str, int, int]]:
    """(clip, track, prompt, record start, record end) of each cue, in frames at 24 fps."""
    return [
        (
            cue.clip.name,
            cue.track,
            cue.prompt,
            int(cue.clip.record_start_s * 24),
            int(cue.clip.record_end_s * 24),
        )
        for cue in sheet.cues
    ]


def marker(
    cut: CutBuilder, name: str, start: float, frames: float, *, colour: str = "GREEN", comment: str = ""
) -> otio.schema.Marker:
    return otio.schema.Marker(name=name, marked_range=cut.span(start, frames), color=colour, comment=comment)


@pytest.fixture
def cut(cut_at_24: CutBuilder) -> CutBuilder:
    cut_at_24.media_start_frame = 86_400
    return cut_at_24


@pytest.fixture
def timeline(cut: CutBuilder) -> otio.schema.Timeline:
    """a: 0..48, a gap, b: 60..108 of the record; in-points 10 and 20 frames into the media."""
    return cut.timeline(
        cut.track(cut.clip("a", offset=10, frames=48), cut.gap(12), cut.clip("b", offset=20, frames=48))
    )


def clips_of(timeline: otio.schema.Timeline) -> list[otio.schema.Clip]:
    return list(timeline.find_clips())


class TestMarkers:
    def test_a_clip_marker_is_a_cue_over_its_range(
        self, cut: CutBuilder, timeline: otio.schema.Timeline
    ) -> None:
        clips_of(timeline)[1].markers.append(marker(cut, "Dog: small dog barking", 86_400 + 30, 12))
        (cue,) = spot(timeline).cues
        assert heard(spot(timeline)) == [("b", "Dog", "small dog barking", 70, 82)]
        assert (cue.clip.media_start_s, cue.source) == (Fraction(30, 24), "marker")

    def test_a_marker_counted_from_the_clip_start_is_understood(
        self, cut: CutBuilder, timeline: otio.schema.Timeline
    ) -> None:
        clips_of(timeline)[1].markers.append(marker(cut, "Dog: barking", 6, 12))
        assert heard(spot(timeline)) == [("b", "Dog", "barking", 66, 78)]

    def test_a_marker_of_one_frame_speaks_for_its_clip(
        self, cut: CutBuilder, timeline: otio.schema.Timeline
    ) -> None:
        clips_of(timeline)[0].markers.append(marker(cut, "Dog: barking", 86_400 + 20, 1))
        timeline.tracks.markers.append(marker(cut, "Rain: rain", 70, 0))
        assert heard(spot(timeline)) == [("a", "Dog", "barking", 0, 48), ("b", "Rain", "rain", 60, 108)]

    def test_a_timeline_marker_covers_every_clip_it_reaches(
        self, cut: CutBuilder, timeline: otio.schema.Timeline
    ) -> None:
        timeline.tracks.markers.append(marker(cut, "Rain: rain on tin", 36, 36))
        assert heard(spot(timeline)) == [
            ("a", "Rain", "rain on tin", 36, 48),
            ("b", "Rain", "rain on tin", 60, 72),
        ]

    def test_markers_follow_time_warps(self, cut: CutBuilder) -> None:
        clip = cut.clip("fast", offset=10, frames=24, speed=2.0)
        clip.markers.append(marker(cut, "Dog: barking", 86_400 + 20, 20))
        backwards = cut.clip("back", offset=10, frames=24, speed=-1.0)
        backwards.markers.append(marker(cut, "Dog: barking", 86_400 + 10, 6))
        sheet = spot(cut.timeline(cut.track(clip, backwards)))
        assert [row[3:] for row in heard(sheet)] == [(5, 15), (24 + 18, 48)]

    def test_markers_in_our_colour_silence_the_others(
        self, cut: CutBuilder, timeline: otio.schema.Timeline
    ) -> None:
        clips = clips_of(timeline)
        clips[0].markers.append(marker(cut, "Door: creaks", 86_410, 48))
        clips[1].markers.append(marker(cut, "Dog: barking", 86_420, 48, colour="MAGENTA"))
        sheet = spot(timeline)
        assert [row[1] for row in heard(sheet)] == ["Dog"]
        assert "1 read like cues" in sheet.warnings[0]
        assert [row[1] for row in heard(spot(timeline, marker_colour="GREEN"))] == ["Door"]

    def test_markers_can_be_left_aside(self, cut: CutBuilder, timeline: otio.schema.Timeline) -> None:
        clips_of(timeline)[0].markers.append(marker(cut, "Door: creaks", 86_410, 48))
        assert [row[1] for row in heard(spot(timeline, DOG, use_markers=False))] == ["Dog", "Dog"]
        assert [row[1] for row in heard(spot(timeline, DOG))] == ["Dog", "Door", "Dog"]

    @pytest.mark.parametrize(
        ("name", "comment", "note", "expected"),
        [
            ("Dog: small dog barking", "", "", ("Dog", "small dog barking", False)),
            ("Selva Dog: barking", "", "", ("Dog", "barking", True)),
            ("SELVA - SFX = door slams", "", "", ("SFX", "door slams", True)),
            ("Selva", "Dog: barking", "", ("Dog", "barking", True)),
            ("Marker 1", "", "Dog: barking", ("Dog", "barking", False)),
            ("Selva Note: anything", "", "", ("Note", "anything", True)),
            ("VFX: remove the rig", "", "", None),
            ("todo: fix", "", "", None),
            ("This is a long remark: yes", "", "", None),
            ("Dog:", "", "", None),
            ("Dog", "", "", None),
            ("", "", "", None),
        ],
    )
    def test_which_markers_read_like_cues(
        self, name: str, comment: str, note: str, expected: tuple[str, str, bool] | None
    ) -> None:
        written = otio.schema.Marker(name=name, comment=comment, color="GREEN")
        written.metadata["Resolve_OTIO"] = {"Note": note}
        found = parse_marker_cue(written)
        assert (found and (found.stem_track.name, found.stem_track.prompt, found.is_named)) == expected

    @pytest.mark.parametrize(
        ("name", "prompt", "negative_prompt"),
        [
            ("Dog: small dog barking | not: birds, wind", "small dog barking", "birds, wind"),
            ("Dog: small dog barking|NOT birds", "small dog barking", "birds"),
            ("Dog: barking | loud", "barking | loud", ""),
            ("Dog: not a sound", "not a sound", ""),
        ],
    )
    def test_a_marker_says_what_must_not_be_heard_behind_a_bar(
        self, name: str, prompt: str, negative_prompt: str
    ) -> None:
        found = parse_marker_cue(otio.schema.Marker(name=name))
        assert found is not None
        assert (found.stem_track.prompt, found.stem_track.negative_prompt) == (prompt, negative_prompt)


class TestMetadata:
    def test_a_clip_speaks_before_its_track_and_the_timeline(self, timeline: otio.schema.Timeline) -> None:
        timeline.metadata["selva"] = {"tracks": {"Dog": "any dog", "Wind": "wind"}}
        timeline.tracks[0].metadata["selva"] = {"tracks": {"Dog": "big dog"}}
        clips_of(timeline)[0].metadata["selva"] = {
            "tracks": {"Dog": {"prompt": "puppy", "takes": 3, "gain_db": -6}}
        }
        sheet = spot(timeline)
        assert [row[:3] for row in heard(sheet)] == [
            ("a", "Dog", "puppy"),
            ("a", "Wind", "wind"),
            ("b", "Dog", "big dog"),
            ("b", "Wind", "wind"),
        ]
        puppy = next(cue for cue in sheet.cues if cue.prompt == "puppy")
        assert (puppy.num_takes, puppy.gain_db) == (3, -6.0)

    def test_a_list_keeps_the_order_of_the_tracks(self, timeline: otio.schema.Timeline) -> None:
        rows = [{"track": "Wind", "prompt": "wind"}, {"track": "Dog", "prompt": "dog", "takes": 2}]
        timeline.metadata["selva"] = {"tracks": rows}
        assert spot(timeline).tracks == ("Wind", "Dog")
        timeline.metadata["selva"] = {"tracks": {"Wind": "wind", "Dog": "dog"}}
        assert spot(timeline).tracks == ("Dog", "Wind"), "the twin: a map is sorted by OpenTimelineIO"

    def test_a_timeline_carries_a_cue_sheet_that_counts_after_the_one_given(
        self, tmp_path: Path, timeline: otio.schema.Timeline
    ) -> None:
        carried = {"track": "Dog", "prompt": "carried", "clip": "a", "to": 1.0, "takes": 2}
        timeline.metadata["selva"] = {"cues": [carried], "tracks": {"Dog": "everywhere"}}
        assert heard(spot(timeline)) == [("a", "Dog", "carried", 0, 24), ("b", "Dog", "everywhere", 60, 108)]
        path = tmp_path / "cues.csv"
        path.write_text("track,prompt,clip\nDog,given,a\n", encoding="utf-8")
        assert heard(spot(timeline, rows=load_cue_sheet(path)))[0] == ("a", "Dog", "given", 0, 48)
        for wrong in ("Dog", [5], [{"track": "Dog"}], [{**carried, "volume": 3}]):
            timeline.metadata["selva"] = {"cues": wrong}
            with pytest.raises(CueError, match="metadata"):
                spot(timeline)

    @pytest.mark.parametrize(
        "value",
        [
            ["Dog"],
            [{"track": "Dog", "promt": "x"}],
            [{"prompt": "x"}],
            {"Dog": 5},
            {"Dog": {"promt": "x"}},
            {"Dog": ""},
            {"Dog": {"prompt": "x", "takes": "many"}},
        ],
    )
    def test_metadata_that_is_written_wrongly_is_refused_with_its_place(
        self, timeline: otio.schema.Timeline, value: Any
    ) -> None:
        clips_of(timeline)[0].metadata["selva"] = {"tracks": value}
        with pytest.raises(CueError, match="metadata of clip 'a'"):
            spot(timeline)


class TestCueSheetFiles:
    def test_rows_by_clip_name_and_by_timecode(self, tmp_path: Path, timeline: otio.schema.Timeline) -> None:
        path = tmp_path / "cues.toml"
        path.write_text(
            '[[cue]]\ntrack = "Dog"\nprompt = "barking"\nclip = "A*"\ntakes = 2\ngain_db = -3\n'
            '[[cue]]\ntrack = "Rain"\nprompt = "rain"\nnegative = "thunder"\nfrom = "00:00:01:12"\nto = "3"\n',
            encoding="utf-8",
        )
        sheet = spot(timeline, rows=load_cue_sheet(path))
        assert heard(sheet) == [
            ("a", "Dog", "barking", 0, 48),
            ("a", "Rain", "rain", 36, 48),
            ("b", "Rain", "rain", 60, 72),
        ]
        assert (sheet.cues[0].num_takes, sheet.cues[0].gain_db) == (2, -3.0)
        assert sheet.cues[1].negative_prompt == "thunder"

    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    def test_a_table_from_a_spreadsheet_is_read(
        self, tmp_path: Path, timeline: otio.schema.Timeline, delimiter: str
    ) -> None:
        path = tmp_path / "cues.csv"
        lines = ["Track,Prompt,Clip,From,To,Takes,Gain_dB", 'Dog,"small dog, barking",b,,,,', ",,,,,,"]
        path.write_text(
            "\ufeff" + "\r\n".join(line.replace(",", delimiter) for line in lines), encoding="utf-8"
        )
        prompt = f"small dog{delimiter} barking"
        assert heard(spot(timeline, rows=load_cue_sheet(path))) == [("b", "Dog", prompt, 60, 108)]

    def test_decimal_commas_and_unicode_text_of_spreadsheets_are_understood(
        self, tmp_path: Path, timeline: otio.schema.Timeline
    ) -> None:
        path = tmp_path / "cues.csv"
        text = "track;prompt;from;to;gain_db\r\nTür;Tür fällt zu;0,5;1,5;-6,5\r\n"
        for encoding in ("utf-8", "utf-8-sig", "utf-16"):
            path.write_text(text, encoding=encoding, newline="")
            sheet = spot(timeline, rows=load_cue_sheet(path))
            assert heard(sheet) == [("a", "Tür", "Tür fällt zu", 12, 36)]
            assert sheet.cues[0].gain_db == -6.5
        path.write_text(text, encoding="latin-1", newline="")
        with pytest.raises(CueError, match="CSV UTF-8"):
            load_cue_sheet(path)

    def test_a_row_that_meets_no_clip_is_warned_of(
        self, tmp_path: Path, timeline: otio.schema.Timeline
    ) -> None:
        path = tmp_path / "cues.csv"
        path.write_text("track,prompt,clip\nDog,barking,a\nCat,meows,zzz\n", encoding="utf-8")
        sheet = spot(timeline, rows=load_cue_sheet(path))
        assert sheet.warnings == ("cues.csv, line 3: nothing on 'Cat' comes of it",)

    @pytest.mark.parametrize(
        ("name", "text", "words"),
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
    def test_files_that_are_written_wrongly_are_refused_with_the_place(
        self, tmp_path: Path, name: str, text: str, words: str
    ) -> None:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        with pytest.raises(CueError, match=words):
            load_cue_sheet(path)

    @pytest.mark.parametrize(("start", "end"), [("00:00:99:00", ""), ("2", "1"), ("soon", "")])
    def test_times_that_make_no_sense_on_the_timeline_are_refused(
        self, tmp_path: Path, timeline: otio.schema.Timeline, start: str, end: str
    ) -> None:
        path = tmp_path / "cues.csv"
        path.write_text(f"track,prompt,from,to\nDog,barking,{start},{end}\n", encoding="utf-8")
        with pytest.raises(CueError, match=r"cues\.csv, line 2"):
            spot(timeline, rows=load_cue_sheet(path))


class TestPrecedence:
    def test_on_one_track_and_clip_the_first_source_that_speaks_is_heard(
        self, tmp_path: Path, cut: CutBuilder, timeline: otio.schema.Timeline
    ) -> None:
        path = tmp_path / "cues.csv"
        path.write_text("track,prompt,clip\nDog,from the sheet,a\n", encoding="utf-8")
        rows = load_cue_sheet(path)
        first = clips_of(timeline)[0]
        first.metadata["selva"] = {"tracks": {"Dog": "from metadata"}}
        assert [row[2] for row in heard(spot(timeline, DOG))] == ["from metadata", DOG.prompt]
        first.markers.append(marker(cut, "dog: from a marker", 86_410, 12))
        assert [row[2:] for row in heard(spot(timeline, DOG))] == [
            ("from a marker", 0, 12),
            (DOG.prompt, 60, 108),
        ]
        assert [row[2] for row in heard(spot(timeline, DOG, rows=rows))] == ["from the sheet", DOG.prompt]

    def test_other_tracks_are_not_touched_by_what_is_said_of_one(
        self, cut: CutBuilder, timeline: otio.schema.Timeline
    ) -> None:
        clips_of(timeline)[0].markers.append(marker(cut, "Rain: rain", 86_410, 12))
        assert [row[:2] for row in heard(spot(timeline, DOG))] == [("a", "Dog"), ("a", "Rain"), ("b", "Dog")]

    def test_several_cues_of_one_source_all_stand(
        self, cut: CutBuilder, timeline: otio.schema.Timeline
    ) -> None:
        first = clips_of(timeline)[0]
        first.markers.append(marker(cut, "Dog: barks", 86_410, 12))
        first.markers.append(marker(cut, "Dog: growls", 86_430, 12))
        assert heard(spot(timeline)) == [("a", "Dog", "barks", 0, 12), ("a", "Dog", "growls", 20, 32)]

    def test_names_are_one_track_whatever_their_case(
        self, cut: CutBuilder, timeline: otio.schema.Timeline
    ) -> None:
        clips_of(timeline)[0].markers.append(marker(cut, "DOG: barks", 86_410, 48))
        sheet = spot(timeline, DOG)
        assert sheet.tracks == ("Dog",)
        assert {cue.track for cue in sheet.cues} == {"Dog"}

    def test_a_fault_of_a_clip_that_nobody_asks_for_is_a_note(
        self, tmp_path: Path, cut: CutBuilder, timeline: otio.schema.Timeline
    ) -> None:
        timeline.tracks[0].append(
            otio.schema.Clip("lost", otio.schema.MissingReference(), source_range=cut.span(0, 10))
        )
        path = tmp_path / "cues.csv"
        path.write_text("track,prompt,clip\nDog,barking,a\n", encoding="utf-8")
        asked_for_one = spot(timeline, rows=load_cue_sheet(path))
        assert [item.is_fault for item in asked_for_one.skipped] == [False]
        assert [item.is_fault for item in spot(timeline, DOG).skipped] == [True]

    def test_cues_that_lie_on_no_picture_are_refused(
        self, cut: CutBuilder, timeline: otio.schema.Timeline
    ) -> None:
        timeline.tracks.markers.append(marker(cut, "Rain: rain", 49, 9))
        with pytest.raises(CueError, match="no cue lies on a clip"):
            spot(timeline)


class TestHandles:
    def test_handles_reach_as_far_as_the_media_does(self, cut: CutBuilder) -> None:
        cut.start_frame, cut.media_num_frames = 86_400, 100
        track = cut.track(cut.clip("a", offset=10, frames=48), cut.clip("b", offset=40, frames=50))
        first, second = spot(cut.timeline(track), DOG, handles_s=Fraction(1)).clips
        assert (float(first.handle_before_s * 24), float(first.handle_after_s * 24)) == (10, 24)
        assert (float(second.handle_before_s * 24), float(second.handle_after_s * 24)) == (24, 10)
        assert (float(second.sound_start_s * 24), float(second.sound_media_start_s * 24)) == (24, 16)
        assert float(second.sound_duration_s * 24) == 84

    def test_handles_of_warped_clips_count_record_time(self, cut: CutBuilder) -> None:
        cut.start_frame, cut.media_num_frames = 86_400, 100
        fast = cut.clip("fast", offset=10, frames=24, speed=2.0)
        back = cut.clip("back", offset=10, frames=24, speed=-1.0)
        first, second = spot(cut.timeline(cut.track(fast, back)), DOG, handles_s=Fraction(1)).clips
        assert (float(first.handle_before_s * 24), float(first.handle_after_s * 24)) == (5, 21)
        assert (float(second.handle_before_s * 24), float(second.handle_after_s * 24)) == (24, 10)

    def test_no_handle_lies_before_midnight(self, cut: CutBuilder) -> None:
        cut.start_frame = 3
        sheet = spot(cut.timeline(cut.track(cut.clip("a", offset=50, frames=24))), DOG, handles_s=Fraction(1))
        assert sheet.clips[0].handle_before_s * 24 == 3

    def test_media_of_unknown_length_gives_a_handle_before_only(self, cut: CutBuilder) -> None:
        cut.start_frame = 86_400
        clip = cut.clip("a", offset=0, frames=24)
        clip.media_reference.available_range = None
        clip.source_range = cut.span(12, 24)
        (spotted,) = spot(cut.timeline(cut.track(clip)), DOG, handles_s=Fraction(1)).clips
        assert (float(spotted.handle_before_s * 24), float(spotted.handle_after_s)) == (12, 0)
