"""Watch folders in the settings, and the hours in which they are served."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from selva_core.base.errors import ConfigurationError
from selva_core.base.settings import load_settings
from selva_core.base.settings.active_hours import is_active, parse_active_hours
from selva_core.base.settings.editing import change_watched_folders, set_value
from selva_core.base.settings.watched_folder import WatchedFolder

MONDAY = datetime(2026, 11, 30)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir(mode=0o700)
    return folder / "selva.toml"


def absolute(name: str) -> Path:
    return Path(f"/{name}").absolute()


def test_folders_are_read_as_paths_and_as_tables(file: Path) -> None:
    file.write_text(
        f"[[watch_folders]]\npath = '{absolute('in')}'\nresults = '{absolute('out')}'\ntakes = 2\nhook = ['mail', '-s']\n"
    )
    (table,) = load_settings(file).watch_folders
    assert table == WatchedFolder(path=absolute("in"), results=absolute("out"), takes=2, hook=("mail", "-s"))
    file.write_text(f"watch_folders = ['{absolute('in')}']\n")
    assert load_settings(file).watch_folders == (WatchedFolder(path=absolute("in")),)
    found = load_settings(file, environment={"SELVA_WATCH_FOLDERS": str(absolute("other"))})
    assert [each.path for each in found.watch_folders] == [absolute("other")]


def test_a_folder_is_added_and_taken_away_and_the_rest_of_the_file_stays(file: Path) -> None:
    file.write_text("# mine\nkeep_alive_s = 3\n")
    one, two = (WatchedFolder(path=absolute(name), notify=True) for name in ("one", "two"))
    change_watched_folders(file, lambda before: (*before, one, two))
    set_value(file, "port", ["2000"])
    change_watched_folders(file, lambda before: before[1:])
    text = file.read_text()
    assert text.startswith("# mine\nkeep_alive_s = 3\n")
    settings = load_settings(file)
    assert (settings.watch_folders, settings.port, settings.keep_alive_s) == ((two,), 2000, 3.0)
    change_watched_folders(file, lambda before: ())
    assert "watch_folders" not in file.read_text()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "needs a `path`"),
        ({"path": "in"}, "absolute path"),
        ({"path": "/in", "result": "/out"}, "no 'result'.*did you mean 'results'"),
        ({"path": "/in", "results": "/in"}, "another folder"),
        ({"path": "/in", "settle_s": -1}, "settle_s is 0 to"),
        ({"path": "/in", "settle_s": float("nan")}, "settle_s"),
        ({"path": "/in", "takes": 1.5}, "whole number"),
        ({"path": "/in", "hook": "rm -rf /"}, "list of texts"),
        ({"path": "/in", "hook": [""]}, "none of them empty"),
        ({"path": "/in", "webhook": "file:///etc/passwd"}, "http or https"),
        ({"path": "/in", "webhook": "http://a:b@host/"}, "without a password"),
        ({"path": "/in", "hours": "25:00-26:00"}, "00:00 to 24:00"),
        ({"path": "/in", "hours": "sometimes"}, "hours are written as"),
        ({"path": "/in", "changes": "magic"}, "auto, events, polling"),
        ({"path": "/in", "notify": "yes"}, "true or false"),
        (3, "a path or a table"),
    ],
)
def test_what_is_wrong_with_a_folder_is_named(table: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WatchedFolder.from_value(table)


def test_a_wrong_folder_is_refused_with_its_place_and_one_that_is_named_twice_too(file: Path) -> None:
    file.write_text("[[watch_folders]]\npath = 'in'\n")
    with pytest.raises(
        ConfigurationError, match=r"selva\.toml line 1: watch_folders: path is an absolute path"
    ):
        load_settings(file)
    file.write_text(f"watch_folders = ['{absolute('in')}', '{absolute('in')}']\n")
    with pytest.raises(ConfigurationError, match="twice"):
        load_settings(file)


@pytest.mark.parametrize(
    ("text", "hour", "day", "active"),
    [
        ("", 12, 0, True),
        ("20:00-07:00", 21, 0, True),
        ("20:00-07:00", 6, 0, True),
        ("20:00-07:00", 7, 0, False),
        ("mon-fri 20:00-07:00", 6, 0, False),  # the night of Sunday
        ("mon-fri 20:00-07:00", 6, 5, True),  # the night of Friday
        ("sat-sun 00:00-24:00", 12, 6, True),
        ("sat-mon 09:00-10:00", 9, 0, True),
        ("tue 09:00-10:00", 9, 0, False),
        ("tue 09:00-10:00, mon 09:00-10:00", 9, 0, True),
    ],
)
def test_hours_hold_over_midnight_and_by_the_day_on_which_they_begin(
    text: str, hour: int, day: int, active: bool
) -> None:
    moment = MONDAY.replace(day=30, hour=hour) if day == 0 else datetime(2026, 12, day, hour)
    assert is_active(parse_active_hours(text), moment) is active
