"""The folders of the daemon on three systems, and files that only their owner can open."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from platformdirs.api import PlatformDirsABC
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows

from selva_core.base.errors import ConfigurationError, StorageError
from selva_core.base.paths import (
    APP_NAME,
    AppPaths,
    close_to_others,
    ensure_folder,
    ensure_private_folder,
    icacls_command,
    is_private,
    write_private_file,
)

LOCAL_APP_DATA = "/c/Users/ed/AppData/Local"


def folders_of(system: type[PlatformDirsABC]) -> PlatformDirsABC:
    return system(APP_NAME, appauthor=False)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder that the environment names, without XDG variables."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("STATE", "CACHE", "CONFIG", "DATA"):
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)
    return tmp_path


def test_linux_keeps_state_cache_and_settings_in_the_folders_of_xdg(home: Path) -> None:
    paths = AppPaths.find({}, platform_folders=folders_of(Unix))
    assert paths.state == home / ".local/state/selva-bridge"
    assert paths.cache == home / ".cache/selva-bridge"
    assert paths.config == home / ".config/selva-bridge"


def test_linux_obeys_the_xdg_variables(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STATE", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name))
    paths = AppPaths.find({}, platform_folders=folders_of(Unix))
    assert paths.connection_file == home / "STATE" / "selva-bridge" / "connection.json"
    assert paths.cache == home / "CACHE" / "selva-bridge"
    assert paths.config == home / "CONFIG" / "selva-bridge"


def test_macos_keeps_everything_in_the_users_library(home: Path) -> None:
    paths = AppPaths.find({}, platform_folders=folders_of(MacOS))
    assert paths.state == home / "Library/Application Support/selva-bridge"
    assert paths.cache == home / "Library/Caches/selva-bridge"
    assert paths.config == home / "Library/Application Support/selva-bridge"


def test_windows_keeps_everything_in_local_app_data_with_the_name_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("platformdirs.windows.get_win_folder", lambda csidl_name: LOCAL_APP_DATA)
    paths = AppPaths.find({}, platform_folders=folders_of(Windows))
    assert paths.state == Path(LOCAL_APP_DATA) / "selva-bridge"
    assert paths.cache == Path(LOCAL_APP_DATA) / "selva-bridge" / "Cache"
    assert paths.config == Path(LOCAL_APP_DATA) / "selva-bridge"


@pytest.mark.parametrize("system", [Unix, MacOS])
def test_the_variables_of_this_program_win_on_every_system(
    system: type[PlatformDirsABC], tmp_path: Path
) -> None:
    environment = {
        "SELVA_STATE_DIR": str(tmp_path / "s"),
        "SELVA_CACHE_DIR": str(tmp_path / "c"),
        "SELVA_CONFIG_DIR": str(tmp_path / "k"),
    }
    paths = AppPaths.find(environment, platform_folders=folders_of(system))
    assert (paths.state, paths.cache, paths.config) == (tmp_path / "s", tmp_path / "c", tmp_path / "k")


@pytest.mark.parametrize(
    "environment",
    [{"SELVA_STATE_DIR": "state"}, {"SELVA_CACHE_DIR": "cache"}, {"SELVA_CONNECTION_FILE": "other.json"}],
)
def test_a_relative_folder_in_the_environment_is_refused(environment: Mapping[str, str]) -> None:
    (name,) = environment
    with pytest.raises(ConfigurationError, match=f"{name} is an absolute path; got '{environment[name]}'"):
        AppPaths.find(environment)


def test_clients_use_the_named_connection_file_of_another_machine(tmp_path: Path) -> None:
    named = tmp_path / "studio.json"
    paths = AppPaths.find({"SELVA_CONNECTION_FILE": str(named), "SELVA_STATE_DIR": str(tmp_path)})
    assert paths.connection_file == named
    assert paths.own_connection_file == tmp_path / "connection.json"


def test_no_daemon_is_started_here_where_another_machines_is_named(tmp_path: Path) -> None:
    elsewhere = AppPaths.find({"SELVA_CONNECTION_FILE": str(tmp_path / "studio.json")})
    with pytest.raises(ConfigurationError, match="unset it to run one here"):
        elsewhere.require_own_daemon()
    AppPaths.find({"SELVA_STATE_DIR": str(tmp_path)}).require_own_daemon()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
def test_a_private_file_is_private_from_its_first_byte(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    ensure_private_folder(folder)
    write_private_file(folder / "secret", b"1")
    write_private_file(folder / "secret", b"2")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "secret").stat().st_mode & 0o777 == 0o600
    assert (folder / "secret").read_bytes() == b"2"
    assert [path.name for path in folder.iterdir()] == ["secret"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
def test_a_file_that_others_may_read_is_not_private(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    write_private_file(file, b"1")
    assert is_private(file)
    file.chmod(0o640)
    assert not is_private(file)
    assert is_private(file, platform="win32")


def test_a_private_file_in_a_folder_that_is_missing_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        write_private_file(tmp_path / "missing" / "secret", b"1")


def test_a_folder_that_cannot_be_made_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="SELVA_STATE_DIR"):
        ensure_private_folder(tmp_path / "file" / "state")


@pytest.mark.parametrize("ensure", [ensure_private_folder, ensure_folder])
@pytest.mark.parametrize(
    ("number", "advice"), [(errno.EROFS, "the disk is read-only"), (errno.ENOSPC, "the disk is full")]
)
def test_why_a_folder_cannot_be_made_is_explained(
    ensure: Callable[[Path], None],
    number: int,
    advice: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "state")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(StorageError, match=f"{advice}.*Choose another with SELVA_") as caught:
            ensure(tmp_path / "state")
    assert "Errno" not in caught.value.message
    ensure(tmp_path / "state")
    assert (tmp_path / "state").is_dir()


def test_on_windows_the_access_list_names_the_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USERNAME", "ed")
    monkeypatch.setenv("USERDOMAIN", "CUTTING")
    secret = tmp_path / "secret"
    secret.write_bytes(b"1")
    commands: list[list[str]] = []
    for path in (tmp_path, secret):
        close_to_others(path, platform="win32", run=lambda command: commands.append(list(command)))
    folder, file = commands
    assert folder == icacls_command(tmp_path, user="CUTTING\\ed")
    assert folder[2:] == ["/inheritance:r", "/grant:r", "CUTTING\\ed:(OI)(CI)F", "/q"]
    assert file[4] == "CUTTING\\ed:F"


def test_on_windows_without_a_user_name_no_file_is_reported_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("USERNAME", raising=False)
    with pytest.raises(OSError, match="USERNAME"):
        close_to_others(tmp_path, platform="win32", run=lambda command: None)
