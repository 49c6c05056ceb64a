"""Where a submitter's media is on a worker."""

from __future__ import annotations

import json
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_core.base.errors import RequestError
from selva_render.farm.path_mapping import apply_path_rules, load_path_rules


def write_rules(file: Path, *rules: tuple[str, str, str]) -> Path:
    names = ("source_path_format", "source_path", "destination_path")
    rows = [dict(zip(names, rule, strict=True)) for rule in rules]
    file.write_text(json.dumps({"version": "pathmapping-1.0", "path_mapping_rules": rows}))
    return file


def map_url(url: str, file: Path) -> str:
    clip = otio.schema.Clip(media_reference=otio.schema.ExternalReference(target_url=url))
    timeline = otio.schema.Timeline(tracks=[otio.schema.Track(children=[clip])])
    apply_path_rules(timeline, load_path_rules(file))
    return str(next(iter(timeline.find_clips())).media_reference.target_url)


@pytest.mark.parametrize(
    ("rule", "url", "mapped"),
    [
        (("POSIX", "/mnt/film", "/w"), "file:///mnt/film/a%20b.mov", "/w/a b.mov"),
        (("POSIX", "/mnt/film", "/w"), "/mnt/film/day 1/a.mov", "/w/day 1/a.mov"),
        (("POSIX", "/mnt/film", "/w"), "file://localhost/mnt/film/a.mov", "/w/a.mov"),
        (("WINDOWS", "C:\\Film", "/w"), "file:///c:/film/x/A.mov", "/w/x/A.mov"),
        (("WINDOWS", "C:\\Film", "/w"), "C:\\FILM\\A.mov", "/w/A.mov"),
        (("URI", "s3://bucket/film", "/w"), "s3://bucket/film/a.mov", "/w/a.mov"),
    ],
)
def test_media_below_a_source_is_found_below_its_destination(
    rule: tuple[str, str, str], url: str, mapped: str, tmp_path: Path
) -> None:
    assert map_url(url, write_rules(tmp_path / "rules.json", rule)) == Path(mapped).absolute().as_uri()


@pytest.mark.parametrize(
    "url", ["file:///mnt/films/a.mov", "file:///MNT/film/a.mov", "", "file:///other/a.mov"]
)
def test_media_that_no_rule_is_for_stays(url: str, tmp_path: Path) -> None:
    assert map_url(url, write_rules(tmp_path / "rules.json", ("POSIX", "/mnt/film", "/w"))) == url


def test_of_several_rules_the_most_exact_one_counts(tmp_path: Path) -> None:
    file = write_rules(tmp_path / "rules.json", ("POSIX", "/mnt", "/all"), ("POSIX", "/mnt/film", "/film"))
    assert map_url("/mnt/film/a.mov", file).endswith("/film/a.mov")
    assert map_url("/mnt/x/a.mov", file).endswith("/all/x/a.mov")


def test_a_session_without_rules_has_an_empty_object(tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    file.write_text("{}")
    assert load_path_rules(file) == []


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("no", "no JSON"),
        ("[]", "no path mapping rules"),
        ('{"path_mapping_rules": [{}]}', "source_path_format"),
        (
            '{"path_mapping_rules": [{"source_path_format": "MAC", "source_path": "a", "destination_path": "b"}]}',
            "POSIX, WINDOWS, URI",
        ),
    ],
)
def test_rules_that_are_none_are_refused(content: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    file.write_text(content)
    with pytest.raises(RequestError, match=text):
        load_path_rules(file)


def test_rules_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be read"):
        load_path_rules(tmp_path / "none.json")
