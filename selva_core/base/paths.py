"""Where the daemon keeps its files, and how a folder or file is made that only its owner can open."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from platformdirs.api import PlatformDirsABC

from selva_core.base.atomic_write import explain_os_error, staged_file
from selva_core.base.child_process import popen_options
from selva_core.base.errors import ConfigurationError, StorageError

APP_NAME = "selva-bridge"
CONNECTION_VARIABLE = "SELVA_CONNECTION_FILE"
MAX_PRIVATE_FILE_BYTES = 1 << 20
RunCommand = Callable[[Sequence[str]], None]


@dataclass(frozen=True, kw_only=True)
class AppPaths:
    """The daemon's folders: state (queue, keys, log), cache (stems and video features) and config.

    other_daemon: the connection file of a daemon on another machine, which clients use instead of one here.
    """

    state: Path
    cache: Path
    config: Path
    other_daemon: Path | None = None

    @classmethod
    def find(
        cls, environment: Mapping[str, str] | None = None, *, platform_folders: PlatformDirsABC | None = None
    ) -> AppPaths:
        """SELVA_STATE_DIR, SELVA_CACHE_DIR and SELVA_CONFIG_DIR win over the platform's own folders (which follow the
        XDG variables on Linux); SELVA_CONNECTION_FILE names another machine's daemon.

        Raises ConfigurationError when one of them is not absolute.
        """
        values = os.environ if environment is None else environment
        # appauthor=False: on Windows the path is ...\selva-bridge, not ...\selva-bridge\selva-bridge.
        folders = platform_folders or platformdirs.PlatformDirs(APP_NAME, appauthor=False)
        other_daemon = values.get(CONNECTION_VARIABLE)
        return cls(
            state=_chosen(values, "SELVA_STATE_DIR", folders.user_state_dir),
            cache=_chosen(values, "SELVA_CACHE_DIR", folders.user_cache_dir),
            config=_chosen(values, "SELVA_CONFIG_DIR", folders.user_config_dir),
            other_daemon=_chosen(values, CONNECTION_VARIABLE, "") if other_daemon else None,
        )

    @property
    def connection_file(self) -> Path:
        """Where clients look."""
        return self.other_daemon or self.own_connection_file

    @property
    def own_connection_file(self) -> Path:
        """Where the daemon of this machine says how to reach it."""
        return self.state / "connection.json"

    def require_own_daemon(self) -> None:
        """Raises ConfigurationError where another machine's daemon is to be used: none is started here then."""
        if self.other_daemon is not None:
            raise ConfigurationError(
                f"{CONNECTION_VARIABLE} names the daemon of another machine ({self.other_daemon}); "
                "unset it to run one here"
            )

    @property
    def keys_file(self) -> Path:
        return self.state / "keys.json"

    @property
    def lock_file(self) -> Path:
        return self.state / "daemon.lock"

    @property
    def queue_file(self) -> Path:
        return self.state / "queue.sqlite3"

    @property
    def written_timelines_file(self) -> Path:
        """Which timelines were written, with their hashes."""
        return self.state / "written-timelines.json"

    @property
    def log_file(self) -> Path:
        return self.state / "daemon.log"

    @property
    def worker_output_file(self) -> Path:
        """What the worker and its libraries print, native crashes included."""
        return self.state / "worker-output.log"

    @property
    def settings_file(self) -> Path:
        return self.config / "selva.toml"

    @property
    def licences_file(self) -> Path:
        """Which licences of weights were accepted, and when."""
        return self.config / "licences.json"

    @property
    def clients_folder(self) -> Path:
        """One JSON file per additional client key."""
        return self.config / "clients"

    @property
    def stem_cache(self) -> Path:
        return self.cache / "stems"

    @property
    def feature_cache(self) -> Path:
        return self.cache / "features"


def _chosen(values: Mapping[str, str], name: str, platform_choice: str) -> Path:
    text = values.get(name, "")
    path = Path(text or platform_choice).expanduser()
    if not path.is_absolute():
        raise ConfigurationError(f"{name} is an absolute path; got {text!r}", name=name)
    return path


def ensure_private_folder(folder: Path) -> None:
    """Make the folder if needed and allow only its owner in.

    Raises StorageError, also for a folder of another user or one that others can write into (such as /tmp): what lies in it
    may be theirs, and it is not ours to close.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if problem := find_ownership_problem(folder.stat(), forbidden_mode=0o022):
            raise StorageError(
                f"the folder {folder} cannot be used: {problem}. Choose another with SELVA_STATE_DIR "
                f"(SELVA_CONFIG_DIR), or make it private: chmod 700 {shlex.quote(str(folder))}",
                path=str(folder),
            )
        close_to_others(folder)
    except OSError as exc:
        if isinstance(exc, StorageError):
            raise
        raise StorageError(
            f"the folder {folder} cannot be made, or not closed to others: {explain_os_error(exc)}. Choose another "
            "with SELVA_STATE_DIR (SELVA_CONFIG_DIR)",
            path=str(folder),
        ) from exc


def ensure_folder(folder: Path) -> None:
    """Make the folder if needed, for its owner only; one that is there keeps its mode: a cache may be shared by a team.

    Raises StorageError.
    """
    try:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            close_to_others(folder)
    except OSError as exc:
        raise StorageError(
            f"the folder {folder} cannot be made: {explain_os_error(exc)}. Choose another with SELVA_CACHE_DIR",
            path=str(folder),
        ) from exc


def find_ownership_problem(
    status: os.stat_result, *, forbidden_mode: int, platform: str = sys.platform, user: int | None = None
) -> str | None:
    """Why a file or folder is not this user's own, for people; None when it is. On Windows access lists decide, and owner
    and mode say nothing.
    """
    if platform == "win32":
        return None
    user = os.geteuid() if user is None else user
    if status.st_uid not in (user, 0):
        return f"it belongs to another user (uid {status.st_uid}, and this is {user})"
    if status.st_mode & forbidden_mode:
        return f"others can get at it (mode {status.st_mode & 0o777:04o})"
    return None


def write_private_file(path: Path, content: bytes) -> None:
    """Replace the whole file, readable by its owner only from its first byte on. Raises StorageError.

    The content is on disk before the new name is: after a crash there is the old file or the new one.
    """
    with staged_file(path, mode=0o600, error=StorageError) as temporary:
        close_to_others(temporary)
        temporary.write_bytes(content)


def close_to_others(path: Path, *, platform: str = sys.platform, run: RunCommand | None = None) -> None:
    """Only the owner may read, write or enter: mode bits on POSIX, an access list of one on Windows. Raises
    OSError.
    """
    if platform == "win32":
        (run or _run_quietly)(icacls_command(path, user=_windows_user()))
    else:
        path.chmod(0o700 if path.is_dir() else 0o600)


def icacls_command(path: Path, *, user: str) -> list[str]:
    """Drops inherited rights and grants full rights to one user; on folders also to files made inside later."""
    rights = "(OI)(CI)F" if path.is_dir() else "F"
    return ["icacls", str(path), "/inheritance:r", "/grant:r", f"{user}:{rights}", "/q"]


def _windows_user() -> str:
    domain, name = os.environ.get("USERDOMAIN", ""), os.environ.get("USERNAME", "")
    if not name:
        raise OSError(
            "the name of the Windows user (USERNAME) is not set, so the file cannot be made private"
        )
    return f"{domain}\\{name}" if domain else name


def _run_quietly(command: Sequence[str]) -> None:
    done = subprocess.run(list(command), capture_output=True, check=False, **popen_options())  # noqa: S603 - fixed program, argv
    if done.returncode != 0:
        raise OSError(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()}")


def is_private(path: Path, *, platform: str = sys.platform) -> bool:
    """False when others could read or change the file. Always true on Windows: mode bits say nothing there, and
    `close_to_others` has set the access list.
    """
    return platform == "win32" or path.stat().st_mode & 0o077 == 0
