"""Whether a file system reports changes by other machines and programs, so that a folder on it need not be looked through.

Linux's inotify, macOS' FSEvents and Windows' ReadDirectoryChangesW report what this machine writes. What another machine writes
to a share is reported by neither of the first two, and by the third for some servers only. So events are trusted on file
systems that are known to be local, and everything else is polled.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from selva_core.base.child_process import popen_options
from selva_core.base.settings.watched_folder import AUTO, EVENTS, POLLING

LOCAL_LINUX = frozenset(
    (
        *(
            "bcachefs",
            "btrfs",
            "erofs",
            "exfat",
            "ext2",
            "ext3",
            "ext4",
            "f2fs",
            "fuseblk",
            "hfsplus",
            "jfs",
            "msdos",
        ),
        *(
            "nilfs2",
            "ntfs",
            "ntfs3",
            "overlay",
            "ramfs",
            "reiserfs",
            "tmpfs",
            "udf",
            "ufs",
            "vfat",
            "xfs",
            "zfs",
        ),
    )
)
_ESCAPE = re.compile(r"\\([0-7]{3})")
_MAC_LINE = re.compile(r".+? on (?P<folder>/.*) \((?P<traits>[^()]*)\)")
DRIVE_REMOVABLE, DRIVE_FIXED, DRIVE_REMOTE, DRIVE_RAMDISK = 2, 3, 4, 6
"""What GetDriveTypeW answers (learn.microsoft.com)."""
MOUNT_TIMEOUT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class ChangeSource:
    """How changes in a folder are noticed: EVENTS or POLLING. reason: why, for people."""

    kind: str
    reason: str


def choose_change_source(folder: Path, wanted: str = AUTO, *, platform: str = sys.platform) -> ChangeSource:
    """wanted: one of CHANGE_SOURCES. Never raises: what cannot be found out is polled."""
    if wanted != AUTO:
        return ChangeSource(kind=wanted, reason="as the settings say")
    try:
        if platform == "linux":
            kind = find_linux_file_system(folder.resolve(), _read_mounts())
            return _choose(kind in LOCAL_LINUX, kind)
        if platform == "darwin":
            kind, is_local = find_mac_file_system(folder.resolve(), _list_mac_mounts())
            return _choose(is_local, kind)
        if platform == "win32":
            return choose_on_windows(str(folder.resolve()), _windows_drive_type)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return ChangeSource(kind=POLLING, reason=f"its file system cannot be found out ({error})")
    return ChangeSource(kind=POLLING, reason=f"nothing is known of file systems on {platform}")


def _choose(is_local: bool, kind: str) -> ChangeSource:
    if is_local:
        return ChangeSource(kind=EVENTS, reason=f"{kind} reports changes")
    return ChangeSource(
        kind=POLLING, reason=f"{kind or 'an unknown file system'} may not report what others change"
    )


def find_linux_file_system(folder: Path, mounts: Iterable[str]) -> str:
    """The type of the file system of a folder, from the lines of /proc/self/mountinfo (proc(5)); "" where none holds it."""
    best, found = -1, ""
    for line in mounts:
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or len(fields) < 5 or not after:
            continue
        mount_point = Path(_ESCAPE.sub(lambda octal: chr(int(octal[1], 8)), fields[4]))
        depth = len(mount_point.parts)
        # Of two mounts on one folder the later line lies on top.
        if folder.is_relative_to(mount_point) and depth >= best:
            best, found = depth, after.split(" ", 1)[0]
    return found


def find_mac_file_system(folder: Path, lines: Iterable[str]) -> tuple[str, bool]:
    """The type of the file system of a folder and whether it is local, from the lines that `mount` prints."""
    best, found = -1, ("", False)
    for line in lines:
        match = _MAC_LINE.fullmatch(line.strip())
        if match is None:
            continue
        mount_point = Path(match["folder"])
        traits = [trait.strip() for trait in match["traits"].split(",")]
        if folder.is_relative_to(mount_point) and len(mount_point.parts) > best:
            best, found = len(mount_point.parts), (traits[0], "local" in traits)
    return found


def choose_on_windows(folder: str, drive_type: Callable[[str], int]) -> ChangeSource:
    """drive_type: gives the type of the drive of a root such as `C:\\`."""
    if folder.startswith("\\\\") and not folder.startswith("\\\\?\\"):
        return ChangeSource(kind=POLLING, reason="a network share may not report what others change")
    found = drive_type(folder.removeprefix("\\\\?\\")[:3])
    if found in (DRIVE_FIXED, DRIVE_REMOVABLE, DRIVE_RAMDISK):
        return ChangeSource(kind=EVENTS, reason="a local drive reports changes")
    kind = "a network drive" if found == DRIVE_REMOTE else "an unknown drive"
    return ChangeSource(kind=POLLING, reason=f"{kind} may not report what others change")


def _read_mounts() -> list[str]:
    # Names of mounts need not be UTF-8.
    return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()


def _list_mac_mounts() -> list[str]:
    done: subprocess.CompletedProcess[bytes] = subprocess.run(
        ["/sbin/mount"], capture_output=True, check=True, timeout=MOUNT_TIMEOUT_S, **popen_options()
    )
    return done.stdout.decode(errors="surrogateescape").splitlines()


def _windows_drive_type(root: str) -> int:
    import ctypes  # noqa: PLC0415 - on Windows only

    windll = getattr(ctypes, "windll")  # noqa: B009 - mypy of other systems does not know it
    return int(windll.kernel32.GetDriveTypeW(root))
