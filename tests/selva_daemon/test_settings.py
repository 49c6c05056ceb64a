"""Settings, folders, and files that only their owner can open."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from selva_core.base.errors import ConfigurationError, StorageError
from selva_core.base.paths import (
    AppPaths,
    close_to_others,
    ensure_private_folder,
    icacls_command,
    write_private_file,
)
from selva_daemon.protocol.keys import KeyPair
from selva_daemon.server.authorized_keys import load_clients
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


def test_without_any_source_there_are_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "daemon.json", environment={}) == DaemonSettings()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot be read as JSON"),
        ([1], "one JSON object"),
        ({"keep_alive": 5}, "no setting 'keep_alive'; known are device"),
        ({"keep_alive_s": -2}, "-1 .for ever. or 0 and more"),
        ({"max_queued_jobs": "many"}, "max_queued_jobs is a whole number; got 'many'"),
        ({"max_queued_jobs": True}, "max_queued_jobs is a whole number; got True"),
        ({"max_queued_jobs": 0}, "at least 1"),
        ({"stall_timeout_s": 0}, "more than 0"),
        ({"stem_cache_bytes": -1}, "at least 0"),
        ({"log_level": "loud"}, "debug, info, warning, error"),
        ({"device": "tpu:9"}, "auto, cpu, cuda, cuda:0 or mps, .* got 'tpu:9'"),
        ({"device": "cuda:0,"}, "several with commas"),
        ({"port": 80}, "0 .the system chooses. or 1024 to 65533; got 80"),
        ({"port": 65534}, "1024 to 65533"),
        ({"max_batch_jobs": 0}, "max_batch_jobs is at least 1"),
        ({"listen": "everywhere"}, "IP address such as 127.0.0.1"),
        ({"output_folders": "/stems"}, "output_folders is a list of texts"),
        ({"output_folders": ["stems"]}, "absolute"),
    ],
)
def test_a_bad_setting_is_refused_with_what_is_allowed(content: object, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load_settings(settings_file(tmp_path, content), environment={})


def test_a_relative_folder_in_the_environment_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="SELVA_STATE_DIR is an absolute path"):
        AppPaths.find({"SELVA_STATE_DIR": "state"})


@pytest.mark.skipif(sys.platform != "linux", reason="XDG is a Linux thing")
def test_the_xdg_variables_are_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STATE", "CACHE", "CONFIG"):
        monkeypatch.delenv(f"SELVA_{name}_DIR")
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    places = AppPaths.find()
    assert places.connection_file == tmp_path / "STATE" / "selva-bridge" / "connection.json"
    assert (places.cache, places.config) == (
        tmp_path / "CACHE" / "selva-bridge",
        tmp_path / "CONFIG" / "selva-bridge",
    )


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits are a POSIX thing")
def test_a_private_file_is_private_from_its_first_byte(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    ensure_private_folder(folder)
    write_private_file(folder / "secret", b"1")
    write_private_file(folder / "secret", b"2")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "secret").stat().st_mode & 0o777 == 0o600
    assert (folder / "secret").read_bytes() == b"2"
    assert [path.name for path in folder.iterdir()] == ["secret"]


def test_a_folder_that_cannot_be_made_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="SELVA_STATE_DIR"):
        ensure_private_folder(tmp_path / "file" / "state")


def test_on_windows_the_access_list_names_the_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USERNAME", "ed")
    monkeypatch.setenv("USERDOMAIN", "CUTTING")
    commands: list[list[str]] = []
    for path in (tmp_path, settings_file(tmp_path, {})):
        close_to_others(path, platform="win32", run=lambda command: commands.append(list(command)))
    folder, file = commands
    assert folder == icacls_command(tmp_path, user="CUTTING\\ed")
    assert folder[2:] == ["/inheritance:r", "/grant:r", "CUTTING\\ed:(OI)(CI)F", "/q"]
    assert file[4] == "CUTTING\\ed:F"


def test_on_windows_without_a_user_name_nothing_is_called_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("USERNAME", raising=False)
    with pytest.raises(OSError, match="USERNAME"):
        close_to_others(tmp_path, platform="win32", run=lambda command: None)


def test_client_keys_are_read_by_name(tmp_path: Path) -> None:
    key = KeyPair.generate().public
    (tmp_path / "a.json").write_text(json.dumps({"name": "edit-2", "public_key": key}))
    assert load_clients(tmp_path) == {key: "edit-2"}
    assert load_clients(tmp_path / "missing") == {}


@pytest.mark.parametrize(
    "content",
    [
        {"name": "owner", "public_key": "x" * 40},
        {"name": "Edit 2", "public_key": "x" * 40},
        {"name": "edit-2", "public_key": "short"},
        {"name": "edit-2", "public_key": "~" * 40},
        {"name": "edit-2"},
        [],
        "not json",
    ],
)
def test_a_file_that_is_no_client_key_stops_the_daemon_and_names_the_file(
    content: object, tmp_path: Path
) -> None:
    file = tmp_path / "bad.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ConfigurationError, match=r"bad\.json is not a client key"):
        load_clients(tmp_path)


def test_secrets_do_not_show_when_keys_are_printed() -> None:
    pair = KeyPair.generate()
    assert pair.secret not in repr(pair)
    assert pair.public in repr(pair)
