"""Where settings come from, and how what is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selva_core.base.errors import ConfigurationError
from selva_core.base.settings import find_settings, load_settings


def write(folder: Path, content: str | bytes) -> Path:
    file = folder / "selva.toml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def test_the_source_of_each_value_is_named(tmp_path: Path) -> None:
    file = write(tmp_path, '# mine\n\ndevice = "cpu"\nkeep_alive_s = 1\n')
    (tmp_path / "daemon.json").write_text(json.dumps({"jobs_together": 3, "device": "mps"}, indent=1))
    found = find_settings(file, environment={"SELVA_PORT": "2000"}, flags={"listen": "127.0.0.2"})
    sources = {name: each.source for name, each in found.items()}
    assert (found["device"].value, sources["device"]) == ("cpu", f"{file} line 3")
    assert sources["max_batch_jobs"] == f"{tmp_path / 'daemon.json'} line 2"
    assert (found["port"].value, sources["port"]) == (2000, "the variable SELVA_PORT")
    assert sources["listen"] == "the command line"
    assert (found["absent"].value, sources["absent"]) == ("silent", "default")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("device = 'cpu'\n\nkeep_alive = 3\n", r"selva\.toml line 3: .*'keep_alive'; did you mean 'keep_alive_s'"),
        ("port = 80\n", r"selva\.toml line 1: port is 0 .the system chooses. or 1024 to 65533; got 80"),
        ("[daemon]\nport = 2000\n", r"selva\.toml line 1: there is no setting 'daemon'"),
        ('"port" = "many"', r"selva\.toml line 1: port is a whole number"),
        ("port = \n", r"cannot be read as TOML: .*line 1.*selva.* config edit"),
        ("port = 2000\nport = 3000\n", "cannot be read as TOML: .*line 2"),
        (b"# a\n# \xff\n", r"selva\.toml line 2 is not UTF-8"),
        ("port = 80\nlog_level = 'loud'\n", "line 1: port .*; .*line 2: log_level is debug"),
        ("jobs_together = 1\nmax_batch_jobs = 1\n", "jobs_together is the earlier name of max_batch_jobs"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_file_is_named_with_its_line(
    content: str | bytes, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_settings(write(tmp_path, content), environment={})


def test_a_file_as_editors_of_windows_write_it_is_read(tmp_path: Path) -> None:
    file = write(tmp_path, "\ufeffdevice = 'cpu'\r\nkeep_alive_s = 5\r\n".encode())
    assert load_settings(file, environment={}).keep_alive_s == 5


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: it is a folder"):
        load_settings(tmp_path, environment={})


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match="the variable SELVA_ABSENT: absent is silent, keep; got 'x'"
    ):
        load_settings(tmp_path / "selva.toml", environment={"SELVA_ABSENT": "x"})
    assert load_settings(tmp_path / "selva.toml", environment={"SELVA_ABSENT": "keep"}).absent == "keep"
