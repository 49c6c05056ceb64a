"""EDLs as timelines: events, notes, and media found by reel, clip or file name."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_core.base.media import MediaInfo
from selva_otio import StemTrack, spot_timeline
from selva_otio.errors import TimelineReadError
from selva_otio.formats.options import ReadOptions
from selva_otio.picture.visible_shots import resolve_picture
from selva_otio.time.item_times import trimmed_start_s
from selva_otio.timelines import open_timeline

DOG = StemTrack(name="Dog", prompt="small dog barking")
EDL = """TITLE: Reel 1
FCM: NON-DROP FRAME

001  A001     V     C        10:00:02:00 10:00:06:00 01:00:00:00 01:00:04:00
* FROM CLIP NAME: A001.mov
002  A001     V     C        10:00:06:00 10:00:06:00 01:00:04:00 01:00:04:00
002  B002     V     D    012 10:00:00:00 10:00:03:00 01:00:04:00 01:00:07:00
* FROM CLIP NAME: A001.mov
* TO CLIP NAME: B002.mov
003  AX       V     C        00:00:01:00 00:00:03:00 01:00:07:00 01:00:08:00
M2   AX       050.0                          00:00:01:00
* FROM CLIP NAME: no timecode.mov
004  BL       V     C        00:00:00:00 00:00:01:00 01:00:08:00 01:00:09:00
005  A001     V     C        10:00:20:00 10:00:21:00 01:00:09:00 01:00:10:00
M2   A001     -25.0                          10:00:20:00
* LOC: 01:00:01:00 MAGENTA Rain: rain on a roof
006  A001     AA/V  C        10:00:30:00 10:00:31:00 01:00:12:00 01:00:13:00
"""
MEDIA = {
    "A001.mov": MediaInfo(
        path=Path("A001.mov"), duration_s=Fraction(60), frame_rate_hz=Fraction(25), timecode="10:00:00:00"
    ),
    "B002.mov": MediaInfo(
        path=Path("B002.mov"), duration_s=Fraction(60), frame_rate_hz=Fraction(25), timecode="10:00:00:00"
    ),
    "no timecode.mov": MediaInfo(
        path=Path("no timecode.mov"), duration_s=Fraction(60), frame_rate_hz=Fraction(25), timecode=None
    ),
}


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """An EDL with its media in a folder beside it."""
    (tmp_path / "media").mkdir()
    for name in MEDIA:
        (tmp_path / "media" / name).write_bytes(b"picture")
    path = tmp_path / "cut.edl"
    path.write_text(EDL, encoding="utf-8")
    return path


def probe(path: Path) -> MediaInfo | None:
    return MEDIA.get(path.name)


def load(path: Path, **options: object) -> otio.schema.Timeline:
    with open_timeline(path, ReadOptions(probe=probe, **options)) as opened:  # type: ignore[arg-type]
        return opened.timeline


def test_events_are_at_their_record_time_and_show_their_source(cut: Path) -> None:
    timeline = load(cut)
    assert timeline.name == "Reel 1"
    assert timeline.global_start_time == otio.opentime.RationalTime(90_000, 25)
    shots = resolve_picture(timeline.video_tracks()).shots
    seen: list[object] = [
        (shot.clip.name, shot.record_start_s * 25, shot.record_end_s * 25, shot.speed) for shot in shots
    ]
    assert seen == [
        ("A001.mov", 0, 112, 1),  # as far as the dissolve reaches
        ("B002.mov", 100, 175, 1),
        ("no timecode.mov", 175, 200, 2),
        ("A001", 225, 250, -1),
        ("A001", 300, 325, 1),
    ]


def test_source_timecode_becomes_the_place_in_the_file(cut: Path) -> None:
    sheet = spot_timeline(load(cut), [DOG], base_folder=cut.parent)
    starts: list[object] = [(clip.media_path.name, clip.media_start_s) for clip in sheet.clips]
    assert starts[:3] == [("A001.mov", 2), ("B002.mov", 0), ("no timecode.mov", 1)]
    assert starts[4] == ("A001.mov", 30)
    assert sheet.clips[0].source_timecode == "10:00:02:00"


def test_the_audio_channels_of_an_event_are_on_audio_tracks(cut: Path) -> None:
    timeline = load(cut)
    assert [(track.kind, track.name) for track in timeline.tracks] == [
        ("Video", "V1"),
        ("Audio", "A1"),
        ("Audio", "A2"),
    ]


def test_a_locator_is_read_as_a_cue(cut: Path) -> None:
    sheet = spot_timeline(load(cut), [], base_folder=cut.parent)
    assert [(cue.track, cue.prompt, cue.clip.name) for cue in sheet.cues] == [
        ("Rain", "rain on a roof", "A001.mov")
    ]


def test_media_is_found_in_the_given_folders(cut: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "cut.edl"
    elsewhere.parent.mkdir()
    elsewhere.write_text(EDL, encoding="utf-8")
    missing = spot_reasons(load(elsewhere, frame_rate=Fraction(25)))
    assert "no file in" in missing[0]
    assert "'A001.mov' or 'A001'" in missing[0]
    assert "--media-dir" in missing[0]
    assert spot_reasons(load(elsewhere, media_folders=[tmp_path / "media"])) == []


def spot_reasons(timeline: otio.schema.Timeline) -> list[str]:
    return [item.reason for item in resolve_picture(timeline.video_tracks()).skipped]


def test_of_several_files_of_one_name_the_timecode_decides(cut: Path) -> None:
    other = cut.parent / "media" / "day 2"
    other.mkdir()
    (other / "A001.mov").write_bytes(b"picture")

    def probe_twins(path: Path) -> MediaInfo | None:
        info = MEDIA.get(path.name)
        late = MediaInfo(
            path=Path("late.mov"), duration_s=Fraction(60), frame_rate_hz=Fraction(25), timecode="17:00:00:00"
        )
        return late if path.parent == other else info

    with open_timeline(cut, ReadOptions(probe=probe_twins)) as opened:
        sheet = spot_timeline(opened.timeline, [DOG], base_folder=cut.parent)
    assert {clip.media_path.parent.name for clip in sheet.clips} == {"media"}


def test_drop_frame_labels_find_the_file_whose_timecode_range_they_are_in(tmp_path: Path) -> None:
    for folder in ("morning", "noon"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "A001.mov").write_bytes(b"picture")
    path = tmp_path / "cut.edl"
    path.write_text(
        "FCM: DROP FRAME\n001  A001 V C 12:00:02;00 12:00:03;00 01:00:00;00 01:00:01;00\n"
        "* FROM CLIP NAME: A001.mov\n"
    )

    def probe_reels(file: Path) -> MediaInfo:
        start = {"morning": "10:00:00;00", "noon": "12:00:00;00"}[file.parent.name]
        rate = Fraction(30000, 1001)
        return MediaInfo(path=file, duration_s=Fraction(10), frame_rate_hz=rate, timecode=start)

    with open_timeline(path, ReadOptions(probe=probe_reels)) as opened:
        (clip,) = opened.timeline.find_clips()
    assert Path(clip.media_reference.target_url).parent.name == "noon"


def test_several_files_of_one_name_are_named_in_the_reason(cut: Path) -> None:
    other = cut.parent / "media" / "day 2"
    other.mkdir()
    (other / "A001.mov").write_bytes(b"picture")
    reasons = spot_reasons(load(cut))
    assert any("several files are named 'A001.mov'" in reason for reason in reasons)


def test_the_rate_comes_from_drop_frame_labels_the_media_or_the_user(cut: Path, tmp_path: Path) -> None:
    assert load(cut).global_start_time.rate == 25
    dropping = tmp_path / "drop.edl"
    dropping.write_text("FCM: DROP FRAME\n001  A001 V C 00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\n")
    assert load(dropping).global_start_time == otio.opentime.RationalTime(107_892, 30000 / 1001)
    plain = tmp_path / "plain.edl"
    plain.write_text("001  Z9 V C 00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\n")
    with pytest.raises(TimelineReadError, match="--frame-rate"):
        load(plain)
    rate = Fraction(24000, 1001)
    assert load(plain, frame_rate=rate).global_start_time == otio.opentime.RationalTime(86_400, 24000 / 1001)


def test_the_folder_in_a_file_name_tells_files_apart(cut: Path) -> None:
    for card in ("card1", "card2"):
        (cut.parent / "media" / card).mkdir()
        (cut.parent / "media" / card / "A001.mov").write_bytes(b"picture")
    line = "001  AX  V  C  00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\n* SOURCE FILE: "
    cut.write_text(f"{line}D:\\shoot\\card2\\A001.mov\n", encoding="utf-8")
    (clip,) = load(cut, frame_rate=Fraction(25)).find_clips()
    assert clip.media_reference.target_url == (cut.parent / "media" / "card2" / "A001.mov").as_uri()
    cut.write_text(f"{line}A001.mov\n", encoding="utf-8")
    (reason,) = spot_reasons(load(cut, frame_rate=Fraction(25)))
    assert "several files are named" in reason


def test_a_still_is_not_chosen_among_several(cut: Path) -> None:
    for name in ("card.png", "card.jpg"):
        (cut.parent / "media" / name).write_bytes(b"picture")
    line = "001  CARD  V  C  00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\n"
    cut.write_text(line, encoding="utf-8")
    (reason,) = spot_reasons(load(cut, frame_rate=Fraction(25)))
    assert "several files are named" in reason
    (cut.parent / "media" / "card.jpg").unlink()
    (reason,) = spot_reasons(load(cut, frame_rate=Fraction(25)))
    assert reason == "a still picture (.png)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no event"),
        ("TITLE: x\n", "holds no event"),
        ("001  A V C 00:00:00:00 00:00:01:00 01:00:00:00\n", "line 1 of the EDL cannot be read"),
        ("001  A V C 00:00:00:00 00:00:01:00 01:00:01:00 01:00:00:00\n", "before it begins"),
        ("001  A V C 00:00:00:00 00:00:01:00 01:00:00:00 01:99:00:00\n", "no timecode at 25"),
        ("001  A V C 00:00:00:00 00:00:01:00 01:00:00:00 01:00:00:30\n", "no timecode at 25"),
        ("\x00\x01\x02", "binary file"),
    ],
)
def test_invalid_edls_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.edl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TimelineReadError, match=message):
        load(path, frame_rate=Fraction(25))


@pytest.mark.parametrize(
    ("line", "frames"),
    [
        ("001  A001 V     C        00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00", 25),
        ("000001  CAM A ROLL 1  V2  C  00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00", 25),
        ("001  A001 V     W001 012 00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00", 25),
        ("001  A001 V     K B      00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00", 25),
        ("001  A001 NONE  C        00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00", 0),
    ],
)
def test_event_lines_of_several_systems_are_read(tmp_path: Path, line: str, frames: int) -> None:
    path = tmp_path / "cut.edl"
    path.write_text(line + "\r\n", encoding="utf-8")
    timeline = load(path, frame_rate=Fraction(25))
    assert sum(clip.duration().value for clip in timeline.find_clips()) == frames


def test_ten_thousand_events_are_read(tmp_path: Path) -> None:
    def label(frame: int) -> str:
        return f"{frame // 90_000:02}:{frame // 1500 % 60:02}:{frame // 25 % 60:02}:{frame % 25:02}"

    lines = [
        f"{n:06}  A001 V C {label(0)} {label(10)} {label(90_000 + 10 * n)} {label(90_010 + 10 * n)}\n"
        for n in range(10_000)
    ]
    path = tmp_path / "long.edl"
    path.write_text("".join(lines))
    assert len(load(path, frame_rate=Fraction(25)).tracks[0]) == 10_000


def test_offsets_count_from_the_first_frame_of_the_media(cut: Path) -> None:
    clip = next(iter(load(cut).find_clips()))
    assert trimmed_start_s(clip) == 10 * 3600 + 2
    assert clip.media_reference.available_range.start_time.to_seconds() == 36_000


def test_a_list_that_runs_past_midnight_goes_on_there(cut: Path) -> None:
    cut.write_text(
        "TITLE: x\nFCM: NON-DROP FRAME\n"
        "001  A001  V  C  10:00:02:00 10:00:04:00 23:59:59:00 00:00:01:00\n"
        "002  B002  V  C  10:00:05:00 10:00:07:00 00:00:01:00 00:00:03:00\n",
        encoding="utf-8",
    )
    timeline = load(cut)
    assert timeline.global_start_time.to_timecode() == "23:59:59:00"
    sheet = spot_timeline(timeline, [DOG], base_folder=cut.parent)
    assert [(clip.name, float(clip.record_start_s), float(clip.duration_s)) for clip in sheet.clips] == [
        ("A001", 0, 2),
        ("B002", 2, 2),
    ]


@pytest.mark.parametrize(
    ("split", "speed", "start_s", "media_s"),
    [
        ("VIDEO DELAY= 00:00:01:00", "025.0", 1, 3),
        ("VIDEO DELAY= 00:00:01:00", "050.0", 1, 4),
        ("AUDIO DELAY= 00:00:01:00", "025.0", 0, 2),
    ],
)
def test_the_picture_of_a_split_edit_begins_after_its_sound(
    cut: Path, split: str, speed: str, start_s: int, media_s: int
) -> None:
    cut.write_text(
        "TITLE: x\nFCM: NON-DROP FRAME\n"
        "001  A001  B  C  10:00:02:00 10:00:06:00 01:00:00:00 01:00:04:00\n"
        f"SPLIT:    {split}\nM2   A001       {speed}                00:00:02:00\n",
        encoding="utf-8",
    )
    sheet = spot_timeline(load(cut), [DOG], base_folder=cut.parent)
    times = [(clip.record_start_s, clip.record_end_s, clip.media_start_s) for clip in sheet.clips]
    assert [tuple(map(float, each)) for each in times] == [(start_s, 4, media_s)]
