"""Final Cut Pro 7 XML as hosts write it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import StemTrack, load_timeline, spot_timeline
from selva_otio.errors import TimelineError, TimelineReadError
from selva_otio.picture.visible_shots import resolve_picture
from selva_otio.time.item_times import item_duration_s, trimmed_start_s

DATA = Path(__file__).parents[3] / "data" / "fcp7"
RATE = Fraction(24000, 1001)
DOG = StemTrack(name="Dog", prompt="small dog barking")


@pytest.fixture
def premiere() -> otio.schema.Timeline:
    return load_timeline(DATA / "premiere.xml")


def frames(item: otio.core.Item) -> tuple[Fraction | int, Fraction | int]:
    """Start on the media's clock, and length, in frames of the sequence."""
    return trimmed_start_s(item) * RATE, item_duration_s(item) * RATE


def sequence(
    items: str, *, rate: str = "<timebase>25</timebase><ntsc>FALSE</ntsc>", kind: str = "video"
) -> str:
    return (
        f'<xmeml version="5"><sequence id="s1"><name>cut</name><rate>{rate}</rate><media><{kind}><track>'
        f"{items}</track></{kind}></media></sequence></xmeml>"
    )


def clip_item(
    *,
    start: object = 0,
    end: object = 100,
    first: object = 0,
    last: object = 100,
    inside: str = "",
    name: str = "a",
) -> str:
    return (
        f'<clipitem id="{name}"><name>{name}</name><start>{start}</start><end>{end}</end><in>{first}</in>'
        f"<out>{last}</out>"
        '<file id="f1"><name>a.mov</name><pathurl>file://localhost/m/a.mov</pathurl><duration>1000</duration>'
        f"<rate><timebase>25</timebase></rate></file>{inside}</clipitem>"
    )


def remap(speed: object, *, reverse: str = "FALSE", variable: int = 0) -> str:
    values = {"speed": speed, "reverse": reverse, "variablespeed": variable}
    parameters = "".join(
        f"<parameter><parameterid>{name}</parameterid><value>{value}</value></parameter>"
        for name, value in values.items()
    )
    return (
        f"<filter><effect><name>Time Remap</name><effectid>timeremap</effectid>{parameters}</effect></filter>"
    )


def load(text: str, folder: Path) -> otio.schema.Timeline:
    path = folder / "cut.xml"
    path.write_text(text, encoding="utf-8")
    return load_timeline(path)


def first_clip(timeline: otio.schema.Timeline) -> otio.schema.Clip:
    return next(iter(timeline.find_clips()))


def test_a_sequence_of_premiere_keeps_names_rates_and_start(premiere: otio.schema.Timeline) -> None:
    assert premiere.name == "Reel 1"
    assert premiere.global_start_time.to_timecode() == "01:00:00:00"
    assert [(track.kind, track.name) for track in premiere.tracks] == [
        ("Video", "Picture"),
        ("Video", "Titles"),
        ("Audio", "Dialogue"),
    ]


def test_items_are_on_the_frames_where_premiere_shows_them(premiere: otio.schema.Timeline) -> None:
    gap, first, dissolve, second, still, nest, gap_two, off = premiere.tracks[0]
    assert (frames(gap)[1], frames(gap_two)[1]) == (24, 10)
    assert frames(first) == (864_000 + 48, 104)  # up to the cut in the dissolve
    assert (dissolve.in_offset.value, dissolve.out_offset.value) == (8, 4)
    assert frames(second) == (864_000 + 2 * (300 + 8), 76)
    assert second.effects[0].time_scalar == 2
    assert frames(still)[1] == 36
    assert frames(nest) == (10, 40)
    assert not off.enabled
    assert frames(premiere.tracks[1][1])[1] == 40


def test_visible_shots_are_spotted_and_skipped_items_are_named(premiere: otio.schema.Timeline) -> None:
    sheet = spot_timeline(premiere, [], base_folder=Path("/"))
    reasons = [item.reason for item in sheet.skipped]
    assert "a still picture (.png)" in reasons
    assert "a generator (Text)" in reasons
    assert "disabled" in reasons
    cues: list[object] = [
        (cue.track, cue.clip.record_start_s * RATE, cue.clip.duration_s * RATE) for cue in sheet.cues
    ]
    assert cues == [("Rain", 30, 60), ("Dog", 36, 12)]


def test_media_paths_of_windows_and_of_shares_are_read(premiere: otio.schema.Timeline) -> None:
    sheet = spot_timeline(premiere, [DOG], base_folder=Path("/cuts"))
    paths = {clip.media_path.as_posix() for clip in sheet.clips}
    assert paths == {"C:/Media/Day 1/A001.mov", "//server/share/B002.mov"}


def test_a_drop_frame_sequence_of_resolve_is_read() -> None:
    timeline = load_timeline(DATA / "resolve.xml")
    sheet = spot_timeline(timeline, [DOG], base_folder=Path("/"))
    (clip,) = sheet.clips
    assert (sheet.clock.timecode(clip.record_start_s), sheet.clock.drop_frame) == ("01:00:00;00", True)
    assert clip.media_start_s == Fraction(50 * 1001, 30_000)
    assert clip.source_timecode == "10:00:01;20"
    assert [track.name for track in timeline.tracks] == ["V1", "A1"]
    (sound,) = timeline.audio_tracks()[0].find_clips()
    assert not list(sound.effects)  # a level of 1 and a pan are no edits


def test_marker_colours_become_the_nearest_named_colour(premiere: otio.schema.Timeline) -> None:
    marker = next(marker for clip in premiere.find_clips() for marker in clip.markers)
    assert marker.color == "BLUE"
    assert trimmed_start_s(first_clip(premiere)) * RATE == 864_048
    assert marker.marked_range.start_time.value == 864_060
    assert premiere.tracks.markers[0].name == "Rain: rain on a tin roof"


@pytest.mark.parametrize(
    ("inside", "used", "media_start", "speed"),
    [
        (remap(200), (50, 150), 100, 2),  # retimed frames, as Premiere and Final Cut write them
        (remap(200), (100, 300), 100, 2),  # frames of the file, as some exporters write them
        (remap(50), (50, 150), 25, Fraction(1, 2)),
        (remap(100, reverse="TRUE"), (50, 150), 1000 - 50, -1),
        (remap(-200), (50, 150), 1000 - 100, -2),
        (remap(0), (40, 140), 40, 0),
        ("<stillframe>TRUE</stillframe><stillframeoffset>33</stillframeoffset>", (0, 100), 33, 0),
    ],
)
def test_retimed_items_show_the_right_frames(
    tmp_path: Path, inside: str, used: tuple[int, int], media_start: int, speed: Fraction
) -> None:
    timeline = load(sequence(clip_item(first=used[0], last=used[1], inside=inside)), tmp_path)
    (shot,) = resolve_picture(timeline.video_tracks()).shots
    assert shot.media_start_s * 25 == media_start
    assert shot.speed == speed
    assert shot.record_end_s * 25 == 100


def test_a_speed_ramp_is_refused_for_that_clip_alone(tmp_path: Path) -> None:
    items = clip_item(inside=remap(100, variable=1)) + clip_item(start=100, end=200, name="b")
    sheet = spot_timeline(load(sequence(items), tmp_path), [DOG], base_folder=tmp_path)
    assert [clip.name for clip in sheet.clips] == ["b"]
    assert "speed ramp" in sheet.skipped[0].reason


def test_an_in_point_counts_in_the_items_own_rate(tmp_path: Path) -> None:
    item = clip_item(start=0, end=50, first=60, last=120, inside="<rate><timebase>30</timebase></rate>")
    clip = first_clip(load(sequence(item), tmp_path))
    assert trimmed_start_s(clip) == item_duration_s(clip) == 2
    assert clip.media_reference.available_range.duration == otio.opentime.RationalTime(1000, 25)


@pytest.mark.parametrize(
    ("timecode", "frame"),
    [
        ("<string>01;00;00;00</string><displayformat>DF</displayformat>", 107_892),
        ("<string>01:00:00:00</string><displayformat>NDF</displayformat>", 108_000),
        ("<string>01:00:00;00</string>", 107_892),
        ("<frame>107892</frame><string>01;00;00;00</string><displayformat>DF</displayformat>", 107_892),
    ],
)
def test_drop_frame_starts_are_read(tmp_path: Path, timecode: str, frame: int) -> None:
    rate = "<timebase>30</timebase><ntsc>TRUE</ntsc>"
    text = sequence(clip_item(), rate=rate)
    text = text.replace("<media>", f"<timecode><rate>{rate}</rate>{timecode}</timecode><media>")
    assert load(text, tmp_path).global_start_time == otio.opentime.RationalTime(frame, 30000 / 1001)


@pytest.mark.parametrize("shifted", ["", "wide", "close"])
def test_a_multiclip_shows_its_active_angle_unless_that_is_shifted(tmp_path: Path, shifted: str) -> None:
    """The shift was left out, so that another frame of the angle was shown."""
    angles = "".join(
        f"<angle><activevideoangle>{chosen}</activevideoangle><clip id='{name}'><file id='{name}f'><name>{name}"
        f"</name><pathurl>file://localhost/m/{name}.mov</pathurl></file><syncoffset>{12 * (name == shifted)}</syncoffset>"
        "</clip></angle>"
        for name, chosen in (("wide", "FALSE"), ("close", "TRUE"))
    )
    item = f"<clipitem><name>m</name><start>0</start><end>9</end><in>0</in><out>9</out><multiclip>{angles}</multiclip>"
    timeline = load(sequence(item + "</clipitem>" + clip_item(start=9, end=20)), tmp_path)
    clip, other = timeline.find_clips()
    assert other.media_reference.target_url
    if shifted == "close":
        assert "shifted in the multiclip" in clip.media_reference.metadata["selva_missing"]
    else:
        assert clip.media_reference.target_url.endswith("close.mov")


def test_offline_media_makes_a_missing_reference_of_that_clip_only(tmp_path: Path) -> None:
    offline = "<clipitem><name>gone</name><start>0</start><end>9</end><in>0</in><out>9</out>"
    offline += "<file id='x'><name>gone.mov</name></file></clipitem>"
    sheet = spot_timeline(
        load(sequence(offline + clip_item(start=9, end=20)), tmp_path), [DOG], base_folder=tmp_path
    )
    assert [clip.name for clip in sheet.clips] == ["a"]
    assert "offline" in sheet.skipped[0].reason


def test_items_that_overlap_by_rounding_are_shortened(tmp_path: Path) -> None:
    timeline = load(sequence(clip_item(end=101) + clip_item(start=100, end=200, name="b")), tmp_path)
    assert [item.duration().value for item in timeline.tracks[0]] == [100, 100]


def test_a_fade_from_black_and_to_black(tmp_path: Path) -> None:
    def fade(start: int, end: int, alignment: str) -> str:
        return (
            f"<transitionitem><start>{start}</start><end>{end}</end><alignment>{alignment}</alignment>"
            "<effect><name>Cross Dissolve</name></effect></transitionitem>"
        )

    items = fade(10, 20, "start-black") + clip_item(start=-1, end=-1) + fade(90, 110, "end-black")
    gap, fade_in, clip, fade_out = load(sequence(items), tmp_path).tracks[0]
    assert (gap.duration().value, clip.duration().value) == (10, 100)
    assert (fade_in.in_offset.value, fade_in.out_offset.value) == (0, 10)
    assert (fade_out.in_offset.value, fade_out.out_offset.value) == (20, 0)


def _billion_laughs(tmp_path: Path) -> str:
    return '<!DOCTYPE xmeml [<!ENTITY a "lol"><!ENTITY b "&a;&a;">]><xmeml>&b;</xmeml>'


def _nested_in_itself(tmp_path: Path) -> str:
    return sequence(
        "<clipitem><start>0</start><end>9</end><in>0</in><out>9</out><sequence id='s1'/></clipitem>"
    )


def _doubling_nests(tmp_path: Path) -> str:
    item = "<clipitem><start>{0}</start><end>{1}</end><in>0</in><out>1</out>{2}</clipitem>"
    inner, nests = clip_item(end=1), ""
    for depth in range(25):
        nests += (
            f"<clip><sequence id='n{depth}'><rate><timebase>25</timebase></rate><media><video><track>{inner}</track>"
            "</video></media></sequence></clip>"
        )
        inner = "".join(item.format(n, n + 1, f"<sequence id='n{depth}'/>") for n in range(2))
    return sequence(inner).replace(
        '<sequence id="s1">', f"<bin><children>{nests}</children></bin><sequence id='s1'>"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_billion_laughs, "entities"),
        (_nested_in_itself, "contains itself"),
        (_doubling_nests, "at most 100000 are read"),
        (lambda _: sequence(clip_item(start="x")), "<start> is a number of frames"),
        (lambda _: sequence(clip_item(start="1e300")), "<start> is a number of frames"),
        (lambda _: sequence(clip_item(start="nan")), "<start> is a number of frames"),
        (lambda _: sequence(clip_item(start=50, end=20)), "from frame 50 to 20"),
        (lambda _: sequence(clip_item(start=-50, end=20)), "from frame -50 to 20"),
        (lambda _: sequence(clip_item(), rate="<timebase>0</timebase>"), "a rate lies between"),
        (lambda _: sequence(clip_item(), rate="<timebase>-24</timebase>"), "a rate lies between"),
        (lambda _: sequence(clip_item(), rate="<timebase>999999999</timebase>"), "a rate lies between"),
        (lambda _: sequence(clip_item(), rate=""), "does not say its frame rate"),
        (lambda _: sequence(clip_item(inside=remap("fast"))), "is a number; got"),
        (lambda _: "<xmeml/>", "no sequence"),
        (lambda _: "<html/>", "not Final Cut Pro 7 XML"),
        (lambda _: "<xmeml>" + "<sequence><name>a</name></sequence>" * 2 + "</xmeml>", "2 sequences"),
        (lambda _: "<a>" * 5000, "nested too deeply"),
    ],
)
def test_contradictory_files_are_refused_in_bounded_time(
    tmp_path: Path, make: Callable[[Path], str], message: str
) -> None:
    with pytest.raises(TimelineError, match=message):
        load(make(tmp_path), tmp_path)


def test_a_file_truncated_anywhere_is_refused(tmp_path: Path) -> None:
    text = (DATA / "premiere.xml").read_text(encoding="utf-8")
    assert load(text, tmp_path).name == "Reel 1"
    for length in range(0, len(text) - 20, 997):
        with pytest.raises(TimelineReadError, match=r"cut\.xml"):
            load(text[:length], tmp_path)


def test_a_sequence_that_is_also_nested_in_another_is_not_the_timeline(tmp_path: Path) -> None:
    nest = (
        sequence(clip_item(end=9))
        .removeprefix('<xmeml version="5">')
        .removesuffix("</xmeml>")
        .replace("s1", "n1")
    )
    item = "<clipitem><start>0</start><end>9</end><in>0</in><out>9</out><sequence id='n1'/></clipitem>"
    text = sequence(item).replace('<sequence id="s1">', nest + '<sequence id="s1">')
    timeline = load(text, tmp_path)
    assert isinstance(timeline.tracks[0][0], otio.schema.Stack)
    assert len(list(timeline.find_clips())) == 1


def test_ten_thousand_clips_are_read(tmp_path: Path) -> None:
    items = "".join(clip_item(start=10 * n, end=10 * n + 10, last=10, name=f"c{n}") for n in range(10_000))
    assert len(load(sequence(items), tmp_path).tracks[0]) == 10_000


SUBCLIP = "<subclipinfo><startoffset>100</startoffset><endoffset>50</endoffset></subclipinfo>"


@pytest.mark.parametrize(
    ("inside", "media_start", "speed"),
    [
        ("", 25, 1),
        (SUBCLIP, 125, 1),
        (SUBCLIP + remap(200), 150, 2),
        (SUBCLIP + remap(100, reverse="TRUE"), 875, -1),
    ],
)
def test_an_item_cut_from_a_subclip_counts_from_the_first_frame_of_that(
    tmp_path: Path, inside: str, media_start: int, speed: int
) -> None:
    """In reverse the item plays the media up to 50 frames before its end, less the 25 of its in-point and its own 50."""
    clip = first_clip(load(sequence(clip_item(end=50, first=25, last=75, inside=inside)), tmp_path))
    assert trimmed_start_s(clip) * 25 == media_start
    assert [effect.time_scalar for effect in clip.effects] == ([speed] if speed != 1 else [])


def test_markers_on_a_nested_sequence_and_inside_it_are_kept(tmp_path: Path) -> None:
    marker = "<marker><name>{}</name><in>{}</in><out>-1</out></marker>"
    inner = (
        '<sequence id="n"><rate><timebase>25</timebase></rate><media><video><track>'
        f"{clip_item()}</track></video></media>{marker.format('Dog: barking', 30)}</sequence>"
    )
    nest = (
        "<clipitem><name>nest</name><rate><timebase>25</timebase></rate><start>0</start><end>50</end><in>20</in>"
        f"<out>70</out>{marker.format('Rain: rain', 40)}{inner}</clipitem>"
    )
    sheet = spot_timeline(load(sequence(nest), tmp_path), [], base_folder=Path("/"))
    assert sorted(cue.track for cue in sheet.cues) == ["Dog", "Rain"]
