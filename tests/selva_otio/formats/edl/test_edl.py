"""Edit decision lists: cuts that name reels and clips, and stems as one list per track."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_core.base.media import MediaInfo
from selva_otio import Stem, StemTrack, measure_span, place_stems, spot_timeline, write_timeline
from selva_otio.errors import TimelineReadError, TimelineWriteError
from selva_otio.formats.options import ReadOptions
from selva_otio.formats.profiles import find_profile
from selva_otio.picture.visible_shots import resolve_picture
from selva_otio.time.item_times import item_duration_s, trimmed_start_s
from selva_otio.timelines import open_timeline
from tests.selva_otio.cuts import CutBuilder

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
FACTS = {
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
    for name in FACTS:
        (tmp_path / "media" / name).write_bytes(b"picture")
    path = tmp_path / "cut.edl"
    path.write_text(EDL, encoding="utf-8")
    return path


def ask(path: Path) -> MediaInfo | None:
    return FACTS.get(path.name)


def load(path: Path, **options: object) -> otio.schema.Timeline:
    with open_timeline(path, ReadOptions(probe=ask, **options)) as opened:  # type: ignore[arg-type]
        return opened.timeline


def test_events_lie_at_their_record_time_and_show_their_source(cut: Path) -> None:
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


def test_sound_of_an_event_lies_on_sound_tracks(cut: Path) -> None:
    timeline = load(cut)
    assert [(track.kind, track.name) for track in timeline.tracks] == [
        ("Video", "V1"),
        ("Audio", "A1"),
        ("Audio", "A2"),
    ]


def test_a_locator_asks_for_sound(cut: Path) -> None:
    sheet = spot_timeline(load(cut), [], base_folder=cut.parent)
    assert [(cue.track, cue.prompt, cue.clip.name) for cue in sheet.cues] == [
        ("Rain", "rain on a roof", "A001.mov")
    ]


def test_media_is_found_in_the_folders_that_are_named(cut: Path, tmp_path: Path) -> None:
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


def test_of_files_with_one_name_the_one_with_the_timecode_is_meant(cut: Path) -> None:
    other = cut.parent / "media" / "day 2"
    other.mkdir()
    (other / "A001.mov").write_bytes(b"picture")

    def ask_twins(path: Path) -> MediaInfo | None:
        facts = FACTS.get(path.name)
        late = MediaInfo(
            path=Path("late.mov"), duration_s=Fraction(60), frame_rate_hz=Fraction(25), timecode="17:00:00:00"
        )
        return late if path.parent == other else facts

    with open_timeline(cut, ReadOptions(probe=ask_twins)) as opened:
        sheet = spot_timeline(opened.timeline, [DOG], base_folder=cut.parent)
    assert {clip.media_path.parent.name for clip in sheet.clips} == {"media"}


def test_files_that_cannot_be_told_apart_are_named(cut: Path) -> None:
    other = cut.parent / "media" / "day 2"
    other.mkdir()
    (other / "A001.mov").write_bytes(b"picture")
    reasons = spot_reasons(load(cut))
    assert any("several files are named 'A001.mov'" in reason for reason in reasons)


def test_the_rate_is_told_by_drop_frame_labels_by_the_media_or_by_the_user(cut: Path, tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no event"),
        ("TITLE: x\n", "holds no event"),
        ("001  A V C 00:00:00:00 00:00:01:00 01:00:00:00\n", "line 1: this event cannot be read"),
        ("001  A V C 00:00:00:00 00:00:01:00 01:00:01:00 01:00:00:00\n", "before it begins"),
        ("001  A V C 00:00:00:00 00:00:01:00 01:00:00:00 01:99:00:00\n", "no timecode at 25"),
        ("001  A V C 00:00:00:00 00:00:01:00 01:00:00:00 01:00:00:30\n", "no timecode at 25"),
        ("\x00\x01\x02", "binary file"),
    ],
)
def test_lists_that_make_no_sense_are_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.edl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TimelineReadError, match=words):
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
def test_events_are_read_as_systems_write_them(tmp_path: Path, line: str, frames: int) -> None:
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


def with_stems(cut: CutBuilder, folder: Path, *, takes: int = 1) -> otio.schema.Timeline:
    track = cut.track(cut.gap(13), cut.clip("a", offset=37, frames=120), cut.clip("b", offset=11, frames=50))
    timeline = cut.timeline(track)
    rain = StemTrack(name="Rain / roof", prompt="rain on a tin roof", gain_db=-6.0)
    sheet = spot_timeline(timeline, [DOG, rain], base_folder=folder)
    stems = [
        Stem(
            cue=cue.id,
            take=take,
            seed=take,
            file=folder / f"{cue.id}_t{take}.wav",
            sample_rate_hz=48_000,
            num_samples=measure_span(cue.clip, sheet.clock, 48_000).num_samples,
        )
        for cue in sheet.cues
        for take in range(1, takes + 1)
    ]
    return place_stems(timeline, sheet, stems).timeline


def test_each_stem_track_becomes_a_list_that_others_read(
    cut_with_hour_start: CutBuilder, tmp_path: Path
) -> None:
    timeline = with_stems(cut_with_hour_start, tmp_path)
    written = write_timeline(timeline, tmp_path / "mix.edl")
    assert [path.name for path in written.files] == ["mix.Dog.edl", "mix.Rain-roof.edl"]
    for path in written.files:
        theirs = otio.adapters.read_from_file(
            str(path), adapter_name="cmx_3600", rate=cut_with_hour_start.rate_hz
        )
        (track,) = theirs.audio_tracks()
        clips = list(track.find_clips())
        first = cut_with_hour_start.start_frame + 13
        assert [clip.range_in_parent().duration.value for clip in clips] == [120, 50]
        assert -track.source_range.start_time.value == pytest.approx(first, abs=0.01)
        assert (
            clips[0]
            .metadata["cmx_3600"]["comments"][-1]
            .startswith(("COMMENT: Dog:", "COMMENT: Rain / roof:"))
        )
        ours = load(path, frame_rate=Fraction(cut_with_hour_start.rate_hz).limit_denominator(1001))
        assert ours.global_start_time.value == first
        assert [item_duration_s(clip) for clip in ours.find_clips()] == [
            item_duration_s(clip) for clip in timeline.audio_tracks()[0].find_clips()
        ]


def test_source_labels_follow_the_time_reference_where_files_have_one(
    cut_at_24: CutBuilder, tmp_path: Path
) -> None:
    cut_at_24.start_frame = 86_400
    timeline = with_stems(cut_at_24, tmp_path)
    stamped = write_timeline(timeline, tmp_path / "mix.edl").files[0].read_text()
    assert "01:00:00:13 01:00:05:13 01:00:00:13 01:00:05:13" in stamped
    bare = (
        write_timeline(timeline, tmp_path / "mix.edl", profile=find_profile("resolve")).files[0].read_text()
    )
    assert "00:00:00:00 00:00:05:00 01:00:00:13 01:00:05:13" in bare


def test_what_a_list_cannot_hold_is_said(cut_at_24: CutBuilder, tmp_path: Path) -> None:
    timeline = with_stems(cut_at_24, tmp_path, takes=2)
    losses = write_timeline(timeline, tmp_path / "mix.edl").losses
    assert [loss.partition(":")[0] for loss in losses] == [
        "EDL has no takes",
        "EDL has no gain",
        "EDL has no picture tracks",
    ]
    assert losses[0].endswith("(4)")
    plain = write_timeline(with_stems(cut_at_24, tmp_path), tmp_path / "one.edl").losses
    assert not any("takes" in loss for loss in plain)


def test_a_timeline_without_stems_makes_no_list(cut_at_24: CutBuilder, tmp_path: Path) -> None:
    cut = cut_at_24
    with pytest.raises(TimelineWriteError, match="this timeline has none"):
        write_timeline(cut.timeline(cut.track(cut.clip("a", offset=0, frames=5))), tmp_path / "mix.edl")
    assert list(tmp_path.iterdir()) == []


def test_offsets_count_from_the_first_frame_of_the_media(cut: Path) -> None:
    clip = next(iter(load(cut).find_clips()))
    assert trimmed_start_s(clip) == 10 * 3600 + 2
    assert clip.media_reference.available_range.start_time.to_seconds() == 36_000
