"""Media URLs as hosts write them, and clips that show no moving picture."""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio.errors import UnsupportedUrlError
from selva_otio.picture.media import build_media_url, explain_no_picture, resolve_media_path

BASE = Path("/cuts").absolute()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///media/a%20b/c%231%25.mov", "/media/a b/c#1%.mov"),
        ("file:///media/a b/c#1.mov", "/media/a b/c#1.mov"),
        ("file:///media/what?.mov", "/media/what?.mov"),
        ("file://localhost/media/a.mov", "/media/a.mov"),
        ("FILE:/media/a.mov", "/media/a.mov"),
        ("/media/a b.mov", "/media/a b.mov"),
        ("media/a.mov", "/cuts/media/a.mov"),
        ("media/a%20b.mov", "/cuts/media/a b.mov"),
        ("file:///media/%C3%A4.mov", "/media/ä.mov"),
    ],
)
def test_urls_as_hosts_write_them_lead_to_the_file(url: str, path: str) -> None:
    assert resolve_media_path(url, BASE) == Path(path).absolute()


@pytest.mark.parametrize("url", ["file:///C:/media/a.mov", "file://C:/media/a.mov", "C:/media/a.mov"])
def test_windows_drives_are_kept(url: str) -> None:
    assert resolve_media_path(url, BASE).as_posix() == "C:/media/a.mov"


def test_another_host_makes_a_network_path() -> None:
    assert resolve_media_path("file://nas/share/a.mov", BASE).as_posix() == "//nas/share/a.mov"


def test_a_percent_sign_in_a_name_is_kept_when_that_file_exists(tmp_path: Path) -> None:
    literal = tmp_path / "100%20.mov"
    literal.write_bytes(b"")
    assert resolve_media_path("100%20.mov", tmp_path) == literal
    decoded = tmp_path / "100 .mov"
    decoded.write_bytes(b"")
    assert resolve_media_path("100%20.mov", tmp_path) == decoded


@pytest.mark.parametrize("url", ["http://host/a.mov", "https://host/a.mov", "s3://bucket/a.mov"])
def test_media_that_is_no_file_is_refused(url: str) -> None:
    with pytest.raises(UnsupportedUrlError, match="file on this machine"):
        resolve_media_path(url, BASE)


@pytest.mark.parametrize("name", ["a b#1%?.wav", "ä 猫.wav", "plain.wav"])
def test_written_urls_are_encoded_and_read_back(name: str) -> None:
    url = build_media_url(BASE / name)
    assert url.isascii()
    assert not set(url) & set(" #?")
    assert resolve_media_path(url, Path("/elsewhere")) == BASE / name


def reference_of(url: str) -> otio.schema.ExternalReference:
    return otio.schema.ExternalReference(target_url=url)


@pytest.mark.parametrize(
    ("clip", "reason", "is_fault"),
    [
        (
            otio.schema.Clip("bars", otio.schema.GeneratorReference(generator_kind="SMPTEBars")),
            "generator",
            False,
        ),
        (otio.schema.Clip("Text+", otio.schema.MissingReference()), "title", False),
        (otio.schema.Clip("title.mov", otio.schema.MissingReference()), "offline", True),
        (otio.schema.Clip("A001", otio.schema.MissingReference()), "offline", True),
        (otio.schema.Clip("A001", reference_of("")), "offline", True),
        (otio.schema.Clip("logo", reference_of("file:///a/logo%20x.PNG")), "still", False),
        (otio.schema.Clip("music", reference_of("/a/music.wav")), "sound without picture", False),
    ],
)
def test_a_clip_without_moving_picture_gets_a_reason(
    clip: otio.schema.Clip, reason: str, is_fault: bool
) -> None:
    found = explain_no_picture(clip)
    assert found is not None
    assert reason in found[0]
    assert found[1] is is_fault


def test_a_clip_of_a_movie_file_has_a_picture() -> None:
    assert explain_no_picture(otio.schema.Clip("A001", reference_of("file:///a/A001.mov"))) is None


@pytest.mark.parametrize(
    "url", ["file:///D:/shoot/a%20b/C1.mov", "D:/shoot/a b/C1.mov", "file:D:/shoot/a b/C1.mov"]
)
def test_a_path_with_a_drive_keeps_its_url_on_systems_without_drives(url: str) -> None:
    assert build_media_url(resolve_media_path(url, BASE)) == "file:///D:/shoot/a%20b/C1.mov"
