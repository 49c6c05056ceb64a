"""Changing the file of settings."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import pytest

from selva_core.base.errors import ConfigurationError
from selva_core.base.settings import load_settings, rows
from selva_core.base.settings.editing import (
    build_template,
    set_value,
    take_over_earlier_file,
    unset_value,
    write_checked,
)
from selva_core.base.settings.file import parse_settings

MINE = """\
# The machine in room 3.
keep_alive_s = 60   # it is shared

output_folders = [
    "/srv/a",  # the feature
]
log_level = 'debug'
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir(mode=0o700)
    return folder / "selva.toml"


def test_comments_and_order_survive_a_change(file: Path) -> None:
    file.write_text(MINE)
    set_value(file, "keep_alive_s", ["-1"])
    set_value(file, "device", ["cpu"])
    changed = file.read_text()
    assert changed == MINE.replace("= 60 ", "= -1.0 ") + 'device = "cpu"\n'


def test_a_change_that_is_refused_leaves_the_file_as_it_was(file: Path) -> None:
    file.write_text(MINE)
    with pytest.raises(ConfigurationError, match="port is 0"):
        set_value(file, "port", ["80"])
    with pytest.raises(ConfigurationError, match="takes one value; got 2"):
        set_value(file, "port", ["2000", "2001"])
    with pytest.raises(ConfigurationError, match="did you mean 'port'"):
        set_value(file, "prot", ["2000"])
    assert file.read_text() == MINE


def test_a_file_that_is_wrong_is_not_written_over(file: Path) -> None:
    file.write_text("prot = 1\n")
    with pytest.raises(ConfigurationError, match=r"line 1: .*did you mean 'port'"):
        set_value(file, "device", ["cpu"])
    assert file.read_text() == "prot = 1\n"


def test_a_wrong_value_is_mended_by_setting_it(file: Path) -> None:
    file.write_text("port = 80\n")
    assert set_value(file, "port", ["0"]) == 0
    assert file.read_text() == "port = 0\n"
    file.write_text("port = 80\n")
    with pytest.raises(ConfigurationError, match="line 1: port is 0"):
        set_value(file, "device", ["cpu"])  # another's wrong value stays a reason to refuse


def test_several_wrong_values_are_mended_one_after_the_other(file: Path) -> None:
    file.write_text("port = 80\nkeep_alive_s = 'long' # mine\nprot = 1\n")
    set_value(file, "port", ["2000"])
    with pytest.raises(ConfigurationError, match="line 2"):
        load_settings(file, environment={})
    assert unset_value(file, "prot")
    set_value(file, "keep_alive_s", ["60"])
    assert file.read_text() == "port = 2000\nkeep_alive_s = 60.0 # mine\n"
    assert load_settings(file, environment={}).port == 2000
    with pytest.raises(ConfigurationError, match="did you mean 'port'"):
        unset_value(file, "prot")  # it is not there any more


def test_a_file_that_is_no_toml_is_not_written_over(file: Path) -> None:
    file.write_text("port = \n")
    with pytest.raises(ConfigurationError, match="cannot be read as TOML"):
        set_value(file, "port", ["0"])
    assert file.read_text() == "port = \n"


def test_a_list_takes_several_values_and_an_unset_setting_has_its_default(file: Path) -> None:
    assert set_value(file, "output_folders", ["/a", "/b b"]) == ("/a", "/b b")
    assert load_settings(file, environment={}).output_folders == ("/a", "/b b")
    assert unset_value(file, "output_folders")
    assert not unset_value(file, "output_folders")
    assert load_settings(file, environment={}).output_folders == ()


def test_settings_of_an_earlier_version_move_into_the_file_with_the_first_change(file: Path) -> None:
    earlier = file.with_name("daemon.json")
    earlier.write_text(json.dumps({"jobs_together": 3, "device": "mps", "stem_cache_bytes": 1e9}))
    set_value(file, "device", ["cpu"])
    found = load_settings(file, environment={})
    assert (found.max_batch_jobs, found.device, found.stem_cache_bytes) == (3, "cpu", 1_000_000_000)
    assert not earlier.exists()
    assert json.loads(file.with_name("daemon.json.taken-over").read_text())["jobs_together"] == 3
    assert take_over_earlier_file(file) is None


def test_earlier_settings_that_are_wrong_stay_in_place(file: Path) -> None:
    earlier = file.with_name("daemon.json")
    earlier.write_text('{"port": 80}')
    with pytest.raises(ConfigurationError, match=r"daemon\.json line 1: port is 0"):
        set_value(file, "device", ["cpu"])
    assert earlier.exists()
    assert not file.exists()


def test_the_template_names_every_setting_and_sets_none() -> None:
    template = build_template()
    assert parse_settings(template.encode(), Path("selva.toml")) == []
    for name in rows():
        assert f"# {name} = " in template
    lines = [line.removeprefix("# ") for line in template.splitlines() if " = " in line and '""' not in line]
    values = parse_settings("\n".join(lines).encode(), Path("selva.toml"))
    assert len(values) > 15
    for given in values:
        setting = rows()[given.name]
        assert setting.convert(given.value) == setting.default


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_to_the_file_stays_a_link(file: Path, tmp_path: Path) -> None:
    stored = tmp_path / "dotfiles.toml"
    stored.write_text("# mine\n")
    file.symlink_to(stored)
    write_checked(file, b"port = 2000\n")
    assert file.is_symlink()
    assert stored.read_text() == "port = 2000\n"


def test_changes_at_the_same_time_are_all_stored(file: Path) -> None:
    changes = [("device", "cpu"), ("port", "2000"), ("absent", "keep"), ("log_level", "debug")]
    threads = [threading.Thread(target=set_value, args=(file, name, [value])) for name, value in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = load_settings(file, environment={})
    assert [str(getattr(found, name)) for name, _ in changes] == [value for _, value in changes]
