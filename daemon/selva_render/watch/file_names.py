"""Which names in a watch folder are never inputs: files that a program has not finished, and what systems leave in folders."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

RESULTS_SUFFIX = ".results"
FAILED_FOLDER, DONE_FOLDER = "failed", "done"
RULES_NAME = "selva.toml"
SHARED_FOLDER = ".selva-watch"
"""Lies in the watch folder and holds who is rendering what, for the other machines that watch it."""

_UNFINISHED_SUFFIXES = (
    # browsers: Chrome and Edge, Firefox, Safari, Opera; download programs
    *(".crdownload", ".part", ".download", ".opdownload", ".partial", ".aria2", ".!ut", ".!qb", ".filepart"),
    # copying: rsync --partial-dir and FileZilla use the above; Aspera, Signiant, TeraCopy, Robocopy
    *(".partial.aspera", ".aspera-ckpt", ".tmp", ".temp", ".copying", ".robocopy"),
    # synchronising: Dropbox, OneDrive, Nextcloud, Resilio
    *(".dropbox.attr", ".dropbox.cache", ".~tmp", ".!sync", ".bts"),
    # Premiere and Media Encoder, Final Cut Pro, Resolve, editors
    *(".mxftmp", ".mtstmp", ".fcpcache", ".drptmp", ".swp", ".swx", ".bak", ".new", ".lock"),
)
_UNFINISHED_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"~\$.*",  # Office
        r"~syncthing~.*",  # Syncthing on Windows; elsewhere the name is hidden
        r".*\.sb-[0-9a-f]{8}-\w{6}(\..*)?",  # macOS: safe save
        r".*~(rf[0-9a-f]+)?\.tmp",
        r".*\.sync-conflict-\d{8}-\d{6}-\w+\..*",  # Syncthing
        r".* \(.*conflicted copy.*\)(\..*)?",  # Dropbox
        r".*_render_(temp|cache)_\d+\..*",
        r".*\.tmp\.\w+",  # written by several encoders beside the target: NAME.tmp.mp4
        r"_?temp(orary)?_?\d*\.(mov|mp4|mxf)",
        r"unconfirmed \d+\..*",  # Chrome, older
    )
)
_SKIPPED_FOLDERS = (
    *("@eadir", "#recycle", "#snapshot", "$recycle.bin", "system volume information", "lost+found"),
    *(
        "cacheclip",
        "proxymedia",
        "optimizedmedia",
        "render files",
        "transcoded media",
        "adobe premiere pro auto-save",
    ),
    *(
        "adobe premiere pro preview files",
        "media cache",
        "media cache files",
        "*.prv",
        "*.fcpcache",
        "*.fcpbundle",
    ),
    *("lost.dir", "thumbs", "__macosx", "*.part", "*.tmp", "*.partial", "*.download"),
)


def is_ignored_file(name: str) -> bool:
    """Whether a file or bundle of this name is hidden, temporary or left by a system."""
    lower = name.lower()
    if lower.startswith((".", "~")) or lower.endswith("~") or lower in ("thumbs.db", "desktop.ini"):
        return True
    return lower.endswith(_UNFINISHED_SUFFIXES) or any(
        pattern.fullmatch(lower) for pattern in _UNFINISHED_PATTERNS
    )


def is_skipped_folder(name: str) -> bool:
    """Whether a folder of this name holds no inputs: hidden, of a system, a cache of an editing program, or ours."""
    lower = name.lower()
    if (
        lower.startswith((".", "~"))
        or lower in (FAILED_FOLDER, DONE_FOLDER)
        or lower.endswith(RESULTS_SUFFIX)
    ):
        return True
    return any(fnmatchcase(lower, pattern) for pattern in _SKIPPED_FOLDERS)
