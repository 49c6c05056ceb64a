"""Whether a folder's changes are reported or must be polled, on the systems that the product runs on."""

from __future__ import annotations

from pathlib import Path

import pytest

from selva_render.watch.file_system import (
    choose_change_source,
    choose_on_windows,
    find_linux_file_system,
    find_mac_file_system,
)

MOUNTS = [
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    "30 22 0:40 / /mnt/dailies rw shared:2 - cifs //nas/dailies rw",
    r"31 22 0:41 / /mnt/with\040space rw - nfs4 nas:/x rw",
    "32 30 0:42 / /mnt/dailies/local rw - xfs /dev/sdb1 rw",
    "33 22 0:43 / /mnt/again rw - ext4 /dev/sdc1 rw",
    "34 22 0:44 / /mnt/again rw - fuse.sshfs host: rw",
    "broken line",
]
MAC = [
    "/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)",
    "//anna@nas/dailies on /Volumes/dailies (smbfs, nodev, nosuid, mounted by anna)",
    "/dev/disk4s1 on /Volumes/Card (msdos, local, nodev)",
]


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/anna", "ext4"),
        ("/mnt/dailies/day1", "cifs"),
        ("/mnt/dailies/local/day1", "xfs"),
        ("/mnt/with space/x", "nfs4"),
        ("/mnt/again", "fuse.sshfs"),
        ("/mnt/dailies2", "ext4"),
    ],
)
def test_the_innermost_and_topmost_mount_counts_on_linux(folder: str, kind: str) -> None:
    assert find_linux_file_system(Path(folder), MOUNTS) == kind


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        ("/Users/anna", ("apfs", True)),
        ("/Volumes/dailies/day1", ("smbfs", False)),
        ("/Volumes/Card/x", ("msdos", True)),
    ],
)
def test_macos_says_itself_what_is_local(folder: str, found: tuple[str, bool]) -> None:
    assert find_mac_file_system(Path(folder), MAC) == found


@pytest.mark.parametrize(
    ("folder", "drive_type", "kind"),
    [
        ("C:\\in", 3, "events"),
        ("E:\\card", 2, "events"),
        ("Z:\\in", 4, "polling"),
        ("Q:\\in", 0, "polling"),
        ("\\\\nas\\dailies", 3, "polling"),
        ("\\\\?\\C:\\in", 3, "events"),
    ],
)
def test_windows_shares_are_polled(folder: str, drive_type: int, kind: str) -> None:
    roots: list[str] = []
    source = choose_on_windows(folder, lambda root: roots.append(root) or drive_type)  # type: ignore[func-returns-value]
    assert source.kind == kind
    assert all(len(root) == 3 for root in roots)


def test_what_is_not_known_is_polled_and_what_the_settings_say_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("selva_render.watch.file_system._read_mounts", lambda: MOUNTS)
    assert choose_change_source(Path("/home"), platform="linux").kind == "events"
    assert choose_change_source(Path("/mnt/dailies"), platform="linux").kind == "polling"
    assert choose_change_source(tmp_path, platform="plan9").kind == "polling"
    assert choose_change_source(Path("/mnt/dailies"), "events", platform="linux").kind == "events"

    def refuse() -> list[str]:
        raise OSError("no /proc")

    monkeypatch.setattr("selva_render.watch.file_system._read_mounts", refuse)
    source = choose_change_source(Path("/home"), platform="linux")
    assert source.kind == "polling"
    assert "no /proc" in source.reason
