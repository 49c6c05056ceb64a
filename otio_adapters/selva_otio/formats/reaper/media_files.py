"""FILE lines: media paths, relative to the folder of the project or absolute, as REAPER writes them on any system."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from selva_otio.picture.media import SOUND_SUFFIXES, build_media_url, resolve_media_path

_WINDOWS_ABSOLUTE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_SOURCE_KINDS = {".flac": "FLAC", ".mp3": "MP3", ".ogg": "VORBIS", ".opus": "OPUS"}
_WAVE_SUFFIXES = frozenset((".aif", ".aiff", ".bwf", ".w64", ".wav"))


def build_url(file: str, folder: Path | None) -> str:
    """The URL of a FILE line. folder: where relative paths start; None for a relative URL."""
    if _WINDOWS_ABSOLUTE.match(file):
        return build_media_url(Path(file))
    if PurePosixPath(file).is_absolute():
        return build_media_url(Path(file)) if Path(file).is_absolute() else PurePosixPath(file).as_uri()
    forward = file.replace("\\", "/")
    if folder is None:
        return quote(forward)
    literal = (
        folder / file
    )  # on Linux a backslash may be part of the name; a project from Windows has it between folders
    return build_media_url(literal if literal.exists() else folder / forward)


def is_relative(file: str) -> bool:
    """Whether a FILE line depends on the folder of the project."""
    return bool(file) and not _WINDOWS_ABSOLUTE.match(file) and not PurePosixPath(file).is_absolute()


def format_file(target_url: str, folder: Path | None) -> str:
    """The path of a URL for a FILE line: relative when the file is in the project's folder or below.

    Raises UnsupportedUrlError for media that is no file.
    """
    if folder is None:
        return str(resolve_media_path(target_url, Path())) if target_url.startswith("file:") else target_url
    path = resolve_media_path(target_url, folder)
    try:
        return path.relative_to(folder.absolute()).as_posix()
    except ValueError:
        return str(path)


def choose_source_kind(file: str) -> str:
    """The kind of SOURCE that plays a file: VIDEO for all but sound files, which REAPER opens with its video decoder."""
    suffix = PurePosixPath(file.replace("\\", "/")).suffix.lower()
    if suffix in _WAVE_SUFFIXES:
        return "WAVE"
    return _SOURCE_KINDS.get(suffix, "VIDEO")


def is_sound_file(file: str) -> bool:
    """Whether a FILE line names a sound file."""
    return PurePosixPath(file.replace("\\", "/")).suffix.lower() in SOUND_SUFFIXES


def file_name_of(path_or_url: str) -> str:
    """The last part of a path of any system."""
    return re.split(r"[/\\]", path_or_url)[-1]
