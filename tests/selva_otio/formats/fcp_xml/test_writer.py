"""Stems into Final Cut Pro 7 XML, judged by our reader and by the published adapter."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import (
    Stem,
    StemTrack,
    load_timeline,
    measure_span,
    place_stems,
    spot_timeline,
    write_timeline,
)
from selva_otio.errors import TimelineWriteError
from selva_otio.picture.visible_shots import resolve_picture
from selva_otio.time.item_times import item_duration_s
from tests.selva_otio.cuts import CutBuilder

DATA = Path(__file__).parents[3] / "data" / "fcp7"
DOG = StemTrack(name="Dog", prompt="small dog barking", gain_db=-6.0)
RAIN = StemTrack(name="Rain & wind", prompt='rain on a "tin" roof <hard>')


def place(
    timeline: otio.schema.Timeline, folder: Path, *, takes: int = 1, run: str = "one"
) -> otio.schema.Timeline:
    sheet = spot_timeline(timeline, [DOG, RAIN], base_folder=folder)
    stems = [
        Stem(
            cue=cue.id,
            take=take,
            seed=take,
            file=folder / "stems" / f"{cue.track[:3]}-{cue.clip.name}-{cue.id}-{run}-{take}.wav",
            sample_rate_hz=48_000,
            num_samples=measure_span(cue.clip, sheet.clock, 48_000).num_samples,
        )
        for cue in sheet.cues
        for take in range(1, takes + 1)
    ]
    return place_stems(timeline, sheet, stems).timeline


def layout(timeline: otio.schema.Timeline) -> list[tuple[str, str, int, int]]:
    """Track kind, file, first frame and length of each clip, in frames of the timeline."""
    found = []
    for track in timeline.tracks:
        cursor_s = Fraction(0)
        for item in track:
            if not isinstance(item, otio.core.Item):
                continue
            length_s = item_duration_s(item)
            if isinstance(item, otio.schema.Clip):
                rate = item.source_range.duration.rate
                name = Path(getattr(item.media_reference, "target_url", "generator")).name
                found.append(
                    (track.kind, name, round(cursor_s * Fraction(rate)), round(length_s * Fraction(rate)))
                )
            cursor_s += length_s
    return found


def test_stems_are_on_their_frame_at_every_rate(cut_with_hour_start: CutBuilder, tmp_path: Path) -> None:
    cut = cut_with_hour_start
    track = cut.track(cut.gap(13), cut.clip("a", offset=37, frames=121), cut.clip("b", offset=11, frames=50))
    timeline = place(cut.timeline(track), tmp_path)
    path = tmp_path / "out.xml"
    write_timeline(timeline, path)
    read_back = load_timeline(path)
    by_adapter = otio.adapters.read_from_file(str(path), adapter_name="fcp_xml")
    assert layout(read_back) == layout(timeline) == layout(by_adapter)
    assert read_back.global_start_time == timeline.global_start_time
    assert by_adapter.global_start_time.value == timeline.global_start_time.value
    assert [track.name for track in read_back.tracks] == ["V1", "Dog", "Rain & wind"]
    before = spot_timeline(timeline, [DOG], base_folder=tmp_path)
    after = spot_timeline(read_back, [DOG], base_folder=tmp_path)
    assert [cue.id for cue in after.cues] == [cue.id for cue in before.cues]
    assert after.clock == before.clock


def test_visible_shots_survive_a_round_trip(cut_at_24: CutBuilder, tmp_path: Path) -> None:
    cut = cut_at_24
    disabled = cut.clip("off", offset=0, frames=10)
    disabled.enabled = False
    nest = cut.nest(cut.track(cut.clip("n", offset=5, frames=60)), trim=(10, 30))
    lower = cut.track(
        cut.clip("a", offset=37, frames=120),
        cut.dissolve(6, 4),
        cut.clip("b", offset=40, frames=50),
        disabled,
        cut.clip("fast", offset=40, frames=50, speed=2.0),
        cut.clip("back", offset=40, frames=30, speed=-1.0),
        cut.clip("still", offset=40, frames=30, speed=0.0),
        nest,
    )
    timeline = cut.timeline(lower, cut.track(cut.gap(20), cut.clip("over", offset=9, frames=20), name="V2"))
    write_timeline(timeline, tmp_path / "out.xml")

    def seen(of: otio.schema.Timeline) -> list[tuple[object, ...]]:
        return [
            (shot.clip.name, shot.record_start_s, shot.record_end_s, shot.media_start_s, shot.speed)
            for shot in resolve_picture(of.video_tracks()).shots
        ]

    read = load_timeline(tmp_path / "out.xml")
    assert seen(read) == seen(timeline)
    assert len(seen(read)) == 8


def test_elements_are_in_the_order_of_final_cut_pro_7(cut_at_24: CutBuilder, tmp_path: Path) -> None:
    timeline = place(cut_at_24.timeline(cut_at_24.track(cut_at_24.clip("a", offset=0, frames=24))), tmp_path)
    write_timeline(timeline, tmp_path / "out.xml")
    text = (tmp_path / "out.xml").read_text(encoding="utf-8")
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n<xmeml version="5">')
    sequence = ET.fromstring(text).find("sequence")  # noqa: S314 - our own file
    assert sequence is not None
    assert [child.tag for child in sequence] == ["name", "duration", "rate", "timecode", "media"]
    assert [child.tag for child in sequence.find("media") or []] == ["video", "audio"]
    item = sequence.find("media/audio/track/clipitem")
    assert item is not None
    assert [child.tag for child in item][:9] == [
        *("name", "enabled", "duration", "rate", "start", "end", "in", "out", "masterclipid"),
    ]
    track = sequence.find("media/audio/track")
    assert track is not None
    assert dict(track.attrib) == {
        "MZ.TrackName": "Dog",
        "currentExplodedTrackIndex": "0",
        "totalExplodedTrackCount": "1",
        "premiereTrackType": "Mono",
    }
    assert [child.tag for child in track] == ["clipitem", "enabled", "locked", "outputchannelindex"]


def test_a_file_is_defined_once_and_referred_to_by_its_id(cut_at_24: CutBuilder, tmp_path: Path) -> None:
    cut = cut_at_24
    picture = cut.track(cut.clip("a", offset=0, frames=24), cut.clip("b", offset=50, frames=24))
    sound = cut.track(cut.clip("a", offset=0, frames=24), name="Sync")
    sound.kind = otio.schema.TrackKind.Audio
    write_timeline(cut.timeline(picture, sound), tmp_path / "out.xml")
    files = list(ET.parse(tmp_path / "out.xml").iter("file"))  # noqa: S314 - our own file
    assert [len(file) > 0 for file in files] == [True, False, False]
    assert {file.get("id") for file in files} == {"file-1"}
    assert files[0].find("media/video") is not None
    assert files[0].find("media/audio") is not None


@pytest.mark.parametrize(
    ("speed", "first", "last"),
    [(None, (5, 15), (90, 15)), (2.0, (10, 15), (90, 15)), (-1.0, (0, 15), (105, 15))],
)
def test_a_trimmed_track_is_cut_to_its_source_range(
    cut_at_24: CutBuilder,
    tmp_path: Path,
    speed: float | None,
    first: tuple[int, int],
    last: tuple[int, int],
) -> None:
    cut = cut_at_24
    track = cut.track(
        cut.clip("a", offset=0, frames=20, speed=speed),
        cut.clip("b", offset=50, frames=30),
        cut.clip("c", offset=90, frames=30, speed=speed),
    )
    track.source_range = cut.span(5, 60)
    write_timeline(cut.timeline(track), tmp_path / "cut.xml")
    (read,) = load_timeline(tmp_path / "cut.xml").video_tracks()
    ranges = [(clip.source_range.start_time.value, clip.duration().value) for clip in read.find_clips()]
    assert ranges == [first, (50, 30), last]


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("file:///m/a%20b%23.mov", "file://localhost/m/a%20b%23.mov"),
        ("/m/a b#.mov", "file:///m/a%20b%23.mov".replace("file:///", "file://localhost/")),
        ("C:\\m\\a b.mov", "file://localhost/C:/m/a%20b.mov"),
        ("file://server/share/a.mov", "file://server/share/a.mov"),
        ("\\\\server\\share\\a.mov", "file://server/share/a.mov"),
    ],
)
def test_paths_are_absolute_and_encoded(
    cut_at_24: CutBuilder, tmp_path: Path, url: str, written: str
) -> None:
    clip = cut_at_24.clip("a", offset=0, frames=24, url=url)
    write_timeline(cut_at_24.timeline(cut_at_24.track(clip)), tmp_path / "out.xml")
    assert ET.parse(tmp_path / "out.xml").findtext(".//pathurl") == written  # noqa: S314 - our own file


def test_stereo_sound_takes_two_linked_tracks_and_comes_back_as_one(
    cut_at_24: CutBuilder, tmp_path: Path
) -> None:
    wave = tmp_path / "atmo.wav"
    layout_of = struct.pack("<HHIIHH", 1, 2, 48_000, 288_000, 6, 24)
    wave.write_bytes(b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0" + layout_of + b"data\0\0\0\0")
    track = cut_at_24.track(cut_at_24.clip("atmo", offset=0, frames=24, url=wave.as_uri()), name="Atmo")
    track.kind = otio.schema.TrackKind.Audio
    timeline = cut_at_24.timeline(cut_at_24.track(cut_at_24.clip("a", offset=0, frames=24)), track)
    write_timeline(timeline, tmp_path / "out.xml")
    tracks = ET.parse(tmp_path / "out.xml").findall(".//audio/track")  # noqa: S314 - our own file
    assert [track.get("premiereTrackType") for track in tracks] == ["Stereo", "Stereo"]
    assert [track.findtext("clipitem/sourcetrack/trackindex") for track in tracks] == ["1", "2"]
    assert [link.findtext("trackindex") for link in tracks[0].findall("clipitem/link")] == ["1", "2"]
    assert tracks[0].findtext("clipitem/file/media/audio/channelcount") == "2"
    read = load_timeline(tmp_path / "out.xml")
    assert [track.name for track in read.tracks] == ["V1", "Atmo"]


def test_silent_takes_are_disabled_on_tracks_of_their_own(cut_at_24: CutBuilder, tmp_path: Path) -> None:
    cut = cut_at_24
    timeline = place(
        cut.timeline(cut.track(cut.gap(5), cut.clip("a", offset=0, frames=24))), tmp_path, takes=2
    )
    written = write_timeline(timeline, tmp_path / "out.xml")
    assert not any("takes" in loss for loss in written.losses)
    tracks = ET.parse(tmp_path / "out.xml").findall(".//audio/track")  # noqa: S314 - our own file
    assert [(track.get("MZ.TrackName"), track.findtext("clipitem/enabled")) for track in tracks] == [
        ("Dog", "TRUE"),
        ("Dog (take 2)", "FALSE"),
        ("Rain & wind", "TRUE"),
        ("Rain & wind (take 2)", "FALSE"),
    ]
    assert {track.findtext("clipitem/start") for track in tracks} == {"5"}


def test_a_rate_without_a_timebase_is_refused(tmp_path: Path) -> None:
    cut = CutBuilder(rate_hz=12.5)
    timeline = cut.timeline(cut.track(cut.clip("a", offset=0, frames=24)))
    with pytest.raises(TimelineWriteError, match="whole frame rates"):
        write_timeline(timeline, tmp_path / "out.xml")
    assert not (tmp_path / "out.xml").exists()


def test_features_that_fcpxml_cannot_hold_are_reported_where_they_are_used(
    cut_at_24: CutBuilder, tmp_path: Path
) -> None:
    cut = cut_at_24
    plain = cut.timeline(cut.track(cut.clip("a", offset=9, frames=24)))
    assert write_timeline(place(plain, tmp_path), tmp_path / "one.xml").losses == ()
    track = cut.track(
        cut.clip("a", offset=9, frames=24), cut.dissolve(2, 2), cut.clip("b", offset=9, frames=24)
    )
    track[0].effects.append(otio.schema.Effect(name="Blur"))
    images = otio.schema.ImageSequenceReference(
        target_url_base="file:///m/", name_prefix="f.", name_suffix=".png", start_frame=1, rate=24
    )
    images.available_range = cut.span(0, 100)
    track.append(otio.schema.Clip(name="c", media_reference=images, source_range=cut.span(0, 10)))
    losses = write_timeline(place(cut.timeline(track), tmp_path), tmp_path / "two.xml").losses
    assert [loss.partition(":")[0] for loss in losses] == [
        "Final Cut Pro 7 XML has no fades",
        "Final Cut Pro 7 XML has no effects",
        "Final Cut Pro 7 XML has no image sequences",
    ]


def other_than_stems(path: Path) -> str:
    """The document without its stem tracks and what a merge may add."""
    root = ET.parse(path).getroot()  # noqa: S314 - our own file
    for audio in root.iter("audio"):
        for track in audio.findall("track"):
            if track.get("MZ.TrackName", "").startswith(("Dog", "Rain")):
                audio.remove(track)
    for element in root.iter():
        element.text = (element.text or "").strip()
        element.tail = ""
    return ET.tostring(root, encoding="unicode")


@pytest.mark.parametrize("name", ["premiere.xml", "resolve.xml"])
def test_a_merged_document_keeps_everything_but_the_stem_tracks(tmp_path: Path, name: str) -> None:
    source = DATA / name
    timeline = place(load_timeline(source), tmp_path, takes=2)
    written = write_timeline(timeline, tmp_path / "out.xml")
    assert other_than_stems(tmp_path / "out.xml") == other_than_stems(source)
    assert [loss for loss in written.losses if "effects" in loss] == []
    read = load_timeline(tmp_path / "out.xml")
    assert [track.name for track in read.tracks] == [track.name for track in timeline.tracks]
    assert layout(read) == layout(timeline)


def test_a_second_render_replaces_the_stems_in_the_document(tmp_path: Path) -> None:
    first, second = tmp_path / "first.xml", tmp_path / "second.xml"
    write_timeline(place(load_timeline(DATA / "premiere.xml"), tmp_path, takes=2), first)
    write_timeline(place(load_timeline(first), tmp_path, run="two"), second)
    assert other_than_stems(second) == other_than_stems(first)
    text = second.read_text(encoding="utf-8")
    assert "-two-1.wav" in text
    assert "-one-" not in text
    once = tmp_path / "once.xml"
    write_timeline(place(load_timeline(DATA / "premiere.xml"), tmp_path, run="two"), once)
    assert layout(load_timeline(second)) == layout(load_timeline(once))


def test_a_timeline_with_other_changes_is_written_anew(tmp_path: Path) -> None:
    timeline = load_timeline(DATA / "premiere.xml")
    timeline.tracks[0].name = "Renamed"
    write_timeline(timeline, tmp_path / "out.xml")
    assert load_timeline(tmp_path / "out.xml").tracks[0].name == "Renamed"
