"""Settings of the daemon: where they come from, which win, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selva_core.base.errors import ConfigurationError
from selva_daemon.settings import DaemonSettings, load_settings


def settings_file(folder: Path, content: object) -> Path:
    file = folder / "daemon.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = settings_file(tmp_path, {"keep_alive_s": 1, "max_queued_jobs": 11, "device": "cpu"})
    found = load_settings(
        file,
        environment={"SELVA_KEEP_ALIVE_S": "2", "SELVA_MAX_QUEUED_JOBS": "22"},
        flags={"keep_alive_s": 3.0, "device": None},
    )
    assert (found.keep_alive_s, found.max_queued_jobs, found.device) == (3.0, 22, "cpu")


def test_a_variable_that_no_setting_has_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SELVA_KEEP_ALIVE; did you mean 'SELVA_KEEP_ALIVE_S'"):
        load_settings(tmp_path / "daemon.json", environment={"SELVA_KEEP_ALIVE": "2"})
    known = {"SELVA_STATE_DIR": str(tmp_path), "SELVA_ECHO_STEP_DELAY_S": "0", "SELVA_KEEP_ALIVE_S": "2"}
    assert load_settings(tmp_path / "daemon.json", environment=known).keep_alive_s == 2


def test_without_any_source_there_are_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "daemon.json", environment={}) == DaemonSettings()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ([1], "one JSON object"),
        ({"keep_alive": 5}, "line 1: there is no setting 'keep_alive'; did you mean 'keep_alive_s'"),
        ({"keep_alive_s": -2}, "-1 .for ever. or 0 and more"),
        ({"max_queued_jobs": "many"}, "max_queued_jobs is a whole number; got 'many'"),
        ({"max_queued_jobs": True}, "max_queued_jobs is a whole number; got True"),
        ({"max_queued_jobs": 0}, "at least 1"),
        ({"stall_timeout_s": 0}, "more than 0"),
        ({"stem_cache_bytes": -1}, "at least 0"),
        ({"log_level": "loud"}, "debug, info, warning, error"),
        ({"device": "tpu:9"}, "auto, cpu, cuda, cuda:0 or mps, .* got 'tpu:9'"),
        ({"device": "cuda:0,"}, "several with commas"),
        (
            {"executor": "spark"},
            r"executor is local .*, ray .*, HEAD:PORT .* or ray://HEAD:PORT .*; got 'spark'",
        ),
        ({"executor": "ray://head"}, "ray://HEAD:PORT"),
        ({"executor": "ray", "device": "cuda:0"}, "device is one of auto, cpu, cuda, mps with executor ray"),
        ({"port": 80}, "0 .the system chooses. or 1024 to 65533; got 80"),
        ({"port": 65534}, "1024 to 65533"),
        ({"max_batch_jobs": 0}, "max_batch_jobs is at least 1"),
        ({"listen": "everywhere"}, "IP address such as 127.0.0.1"),
        ({"output_folders": "/stems"}, "output_folders is a list of texts"),
        ({"output_folders": ["stems"]}, "absolute"),
    ],
)
def test_a_bad_setting_is_refused_with_what_is_allowed(content: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_settings(settings_file(tmp_path, content), environment={})


@pytest.mark.parametrize("name", ["jobs_together", "max_batch_jobs"])
def test_a_renamed_setting_is_read_under_both_names(name: str, tmp_path: Path) -> None:
    file = settings_file(tmp_path, {name: 3})
    assert load_settings(file, environment={}).max_batch_jobs == 3
    assert load_settings(file, environment={f"SELVA_{name.upper()}": "5"}).max_batch_jobs == 5


def test_a_renamed_setting_that_is_given_under_both_names_is_refused(tmp_path: Path) -> None:
    file = settings_file(tmp_path, {"jobs_together": 3, "max_batch_jobs": 4})
    with pytest.raises(ConfigurationError, match="jobs_together is the earlier name of max_batch_jobs"):
        load_settings(file, environment={})


def test_numbers_may_be_written_as_text_and_whole_numbers_with_a_point(tmp_path: Path) -> None:
    file = settings_file(
        tmp_path, {"max_queued_jobs": "200", "stem_cache_bytes": 1e9, "keep_alive_s": " 2.5 "}
    )
    found = load_settings(file, environment={})
    assert (found.max_queued_jobs, found.stem_cache_bytes, found.keep_alive_s) == (200, 1_000_000_000, 2.5)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_times_that_are_no_numbers_are_refused_and_minus_one_is_not(value: str, tmp_path: Path) -> None:
    file = tmp_path / "daemon.json"
    with pytest.raises(ConfigurationError, match="finite"):
        load_settings(file, environment={"SELVA_KEEP_ALIVE_S": value})
    assert load_settings(file, environment={"SELVA_KEEP_ALIVE_S": "-1"}).keep_alive_s == -1


@pytest.mark.parametrize(
    "executor",
    ["local", "ray", "10.0.0.5:6379", "head.studio.lan:6379", "ray://head:10001", "[fd00::1]:6379"],
)
def test_executors(executor: str, tmp_path: Path) -> None:
    file = settings_file(tmp_path, {"executor": executor, "device": "cuda"})
    assert load_settings(file, environment={}).executor == executor
