"""FCPXML that is broken, hostile or absurd: a clear error or sense, in bounded time."""

from __future__ import annotations

from pathlib import Path

import pytest

from selva_otio import load_timeline
from selva_otio.errors import TimelineReadError
from selva_otio.formats.fcpxml import storyline
from tests.selva_otio.round_trips import spot

FORMAT = '<format id="r1" frameDuration="1/24s"/>'
ASSET = '<asset id="a" start="0s" duration="100s" hasVideo="1"><media-rep src="file:///m/a.mov"/></asset>'
CLIP = '<asset-clip ref="a" name="c" offset="0s" duration="4s"/>'


def document(spine: str = CLIP, *, resources: str = FORMAT + ASSET, head: str = "") -> str:
    return (
        f'<?xml version="1.0"?>{head}<fcpxml version="1.10"><resources>{resources}</resources><project name="p">'
        f'<sequence format="r1" tcStart="0s"><spine>{spine}</spine></sequence></project></fcpxml>'
    )


def refuse(folder: Path, text: str, message: str, *, encoding: str = "utf-8") -> None:
    path = folder / "bad.fcpxml"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(TimelineReadError, match=message):
        load_timeline(path)


def test_a_valid_twin_of_the_refused_files_is_read(tmp_path: Path) -> None:
    path = tmp_path / "good.fcpxml"
    for encoding in ("utf-8", "utf-16"):
        path.write_bytes(document(head="<!DOCTYPE fcpxml>").encode(encoding))
        assert [clip.name for clip in spot(load_timeline(path)).clips] == ["c"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_entity_bomb_is_never_expanded_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    bomb = '<!DOCTYPE fcpxml [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]>'
    refuse(
        tmp_path,
        document('<gap duration="1s"><note>&b;</note></gap>', head=bomb),
        "entities",
        encoding=encoding,
    )


def test_a_file_that_asks_for_another_file_is_refused(tmp_path: Path) -> None:
    head = '<!DOCTYPE fcpxml [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    refuse(tmp_path, document('<gap duration="1s"><note>&x;</note></gap>', head=head), "entities")


def test_a_file_truncated_anywhere_is_refused(tmp_path: Path) -> None:
    text = document()
    for length in range(0, len(text) - 1, 23):
        refuse(tmp_path, text[:length], "not well-formed XML")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<html/>", "not Final Cut Pro XML"),
        (document(CLIP.replace("4s", "-4s")), "negative duration"),
        (document(CLIP.replace("4s", "4/0s")), "is not a time"),
        (document(CLIP.replace("4s", "NaNs")), "is not a time"),
        (document(CLIP.replace("4s", "1" * 4000 + "s")), "is not a time"),
        (document(CLIP.replace("4s", "99999999999s")), "no timeline is longer"),
        (document(resources=ASSET + FORMAT.replace("1/24s", "0s")), "is not allowed"),
        (document(resources=ASSET + FORMAT.replace("1/24s", "1/99999999s")), "is not allowed"),
        (document(resources=ASSET + FORMAT.replace("1/24s", "-1/24s")), "is not allowed"),
        (document(resources=ASSET), "how many frames a second"),
        (document("<clip " * 1 + 'name="x"/>'), "how long it lasts"),
        (document('<gap duration="1s">' * 200 + "</gap>" * 200), "nested too deeply"),
        (document("<!DOCTYPE x>"), "not well-formed XML"),
    ],
)
def test_invalid_files_are_refused_with_a_reason(tmp_path: Path, text: str, message: str) -> None:
    refuse(tmp_path, text, message)


def compound(name: str, *inside: str) -> str:
    clips = "".join(f'<ref-clip ref="{ref}" name="{ref}" offset="0s" duration="1s"/>' for ref in inside)
    return f'<media id="{name}"><sequence format="r1"><spine>{clips}</spine></sequence></media>'


def test_compound_clips_that_contain_themselves_are_refused(tmp_path: Path) -> None:
    start = '<ref-clip ref="m" name="m" offset="0s" duration="1s"/>'
    for resources in (compound("m", "m"), compound("m", "n") + compound("n", "m")):
        refuse(tmp_path, document(start, resources=FORMAT + resources), "contains itself")


def test_compound_clips_that_multiply_are_refused_in_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storyline, "MAX_ITEMS", 2_000)
    levels = "".join(compound(f"m{level}", *[f"m{level + 1}"] * 20) for level in range(12))
    start = '<ref-clip ref="m0" name="m" offset="0s" duration="1s"/>'
    refuse(tmp_path, document(start, resources=FORMAT + levels), "opens to more than 2000 clips")


def test_ten_thousand_clips_are_read(tmp_path: Path) -> None:
    spine = "".join(
        f'<asset-clip ref="a" name="c{number}" offset="{number}/24s" start="{number % 50}s" duration="1/24s"/>'
        for number in range(10_000)
    )
    path = tmp_path / "long.fcpxml"
    path.write_text(document(spine))
    timeline = load_timeline(path)
    assert len(timeline.tracks[0]) == 10_000
    assert timeline.tracks[0].duration().value == 10_000


@pytest.mark.parametrize(
    "broken",
    ["{", '{"schema":"selva.stem/1","takes":NaN}', "[1]", '{"schema":"selva.stem/1","cue":' + "9" * 50 + "}"],
)
def test_damaged_stem_metadata_makes_a_plain_clip(tmp_path: Path, broken: str) -> None:
    word = broken.replace('"', "&quot;")
    clip = CLIP.replace(
        "/>", f'><metadata><md key="org.selva-bridge.stem" value="{word}"/></metadata></asset-clip>'
    )
    path = tmp_path / "cut.fcpxml"
    path.write_text(document(clip))
    (read,) = load_timeline(path).find_clips()
    assert "selva" not in read.metadata
