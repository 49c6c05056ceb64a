"""The media of a clip: whether it is a moving picture, and where its file is.

Hosts write URLs in several ways: percent-encoded, a raw path after `file://`, a plain path, a path relative to the
timeline's folder. OpenTimelineIO's own `url_from_filepath` does not encode, so what follows a "#" is lost.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import quote_from_bytes, unquote

import opentimelineio as otio

from selva_otio.errors import UnsupportedUrlError
from selva_otio.picture.image_names import IMAGE_SUFFIXES, image_name_in_url, parse_image_name

# fmt: off
STILL_SUFFIXES = frozenset((
    ".ai", ".bmp", ".cin", ".dpx", ".eps", ".exr", ".gif", ".hdr", ".heic", ".heif", ".jpeg", ".jpg",
    ".pdf", ".png", ".psd", ".svg", ".tga", ".tif", ".tiff", ".webp",
))
SOUND_SUFFIXES = frozenset((
    ".aac", ".aif", ".aiff", ".bwf", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".w64", ".wav",
))
PICTURE_SUFFIXES = frozenset((
    ".3gp", ".ari", ".avi", ".braw", ".dv", ".flv", ".m2t", ".m2ts", ".m2v", ".m4v", ".mj2", ".mkv", ".mov",
    ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".r3d", ".ts", ".vob", ".webm", ".wmv",
))
MEDIA_SUFFIXES = PICTURE_SUFFIXES | SOUND_SUFFIXES | STILL_SUFFIXES
# fmt: on

_MISSING_REASON_KEY = "selva_missing"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_DRIVE = re.compile(r"/?([A-Za-z]):[/\\]")
_LONG_PATH = "\\\\?\\"
"""Before a path longer than 260 characters, in programs on Windows."""
_FILE_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")
_TITLE_NAME = re.compile(r"\b(captions?|credits?|fusion title|lower third|subtitles?|text|titles?)\b", re.I)


def explain_no_picture(clip: otio.schema.Clip) -> tuple[str, bool] | None:
    """Why no sound can be made for a clip, and whether that is a fault; None where it has a moving picture.

    Resolve exports titles as clips without media, like offline clips; a clip counts as a title when its name says so and
    has no file suffix.
    """
    reference = clip.media_reference
    if isinstance(reference, otio.schema.GeneratorReference):
        return f"a generator ({reference.generator_kind or 'of no kind'})", False
    if isinstance(reference, otio.schema.ImageSequenceReference):
        return _explain_no_images(Path(reference.name_suffix).suffix or reference.name_suffix)
    if isinstance(reference, otio.schema.ExternalReference) and (reference.target_url or "").strip():
        return _explain_no_moving_picture(reference.target_url)
    if isinstance(reference, otio.schema.MissingReference) and reference.metadata.get(_MISSING_REASON_KEY):
        return str(reference.metadata[_MISSING_REASON_KEY]), True
    if _TITLE_NAME.search(clip.name) and not _FILE_SUFFIX.search(clip.name):
        return "a title", False
    return "offline: it has no media; relink it and export again", True


def _explain_no_images(suffix: str) -> tuple[str, bool] | None:
    if suffix.lower() in IMAGE_SUFFIXES:
        return None
    return f"an image sequence of a kind that is not read ({suffix or 'no suffix'})", True


@lru_cache(maxsize=4096)
def _explain_no_moving_picture(target_url: str) -> tuple[str, bool] | None:
    if image_name_in_url(target_url) is not None:
        return None
    suffix = Path(unquote(target_url)).suffix.lower()
    if suffix in STILL_SUFFIXES:
        return f"a still picture ({suffix})", False
    if suffix in SOUND_SUFFIXES:
        return f"sound without picture ({suffix})", False
    return None


def build_missing_reference(reason: str) -> otio.schema.MissingReference:
    """A reference to media that was not found, with the reason as `explain_no_picture` returns it."""
    return otio.schema.MissingReference(metadata={_MISSING_REASON_KEY: reason})


def resolve_media_path(target_url: str, base_folder: Path) -> Path:
    """The absolute path that a media URL means; relative ones start from `base_folder`.

    "#" and "?" belong to the name: file URLs of editors have neither query nor fragment. Where a "%" may or may not be an
    escape, the file that exists wins. Raises UnsupportedUrlError for other schemes than file:.
    """
    scheme = _SCHEME.match(target_url)
    if scheme is not None and scheme[1].lower() != "file":
        raise UnsupportedUrlError(f"media must be a file on this machine; got the URL {target_url!r}")
    raw = _strip_host(target_url[5:]) if scheme is not None else target_url
    decoded = _absolute(_decode(raw), base_folder)
    if "%" not in raw or decoded.exists():
        return decoded
    literal = _absolute(raw, base_folder)
    return literal if literal.exists() else decoded


def split_url_path(target_url: str) -> list[str]:
    """The parts of the path in a media URL or a path of any system, the last one the file's name; drive and host are parts."""
    scheme = _SCHEME.match(target_url)
    raw = target_url[scheme.end() :] if scheme is not None else target_url
    return [part for part in _decode(raw).replace("\\", "/").split("/") if part not in ("", ".")]


def file_name_in_url(target_url: str) -> str:
    """The casefolded file name in a media URL. Stems are compared by it, because media moves between folders and machines."""
    return shown_file_name(target_url).casefold()


def shown_file_name(target_url: str) -> str:
    """The file name in a media URL as it is written, for people and for programs that open the file."""
    path = unquote(target_url).replace("\\", "/")
    name = path[path.rfind("/") + 1 :]
    # What pathlib answers, in a twentieth of the time; it leaves out what stands for no name.
    return name if name not in ("", ".") else PurePosixPath(path).name


def make_folder_absolute(reference: otio.schema.ImageSequenceReference, base_folder: Path) -> None:
    """Make the folder of an image sequence absolute, in place; a relative one starts from `base_folder`."""
    folder = reference.target_url_base or ""
    if is_relative_url(folder):
        reference.target_url_base = build_media_url(resolve_media_path(folder or ".", base_folder)) + "/"


def is_relative_url(target_url: str) -> bool:
    """Whether a media URL starts from the timeline's folder."""
    if _SCHEME.match(target_url) or _DRIVE.match(target_url):
        return False
    return not target_url.startswith(("/", "\\\\"))


def build_media_url(path: Path) -> str:
    """The absolute, percent-encoded file URL of a path. On other systems, a path with a drive or share of Windows stays one."""
    text = str(path)
    return _build_url(text if is_windows_path(text) or path.is_absolute() else str(path.absolute()))


@lru_cache(maxsize=4096)
def _build_url(absolute: str) -> str:
    """Kept, because the stems of a cut name its few media files again and again."""
    if is_windows_path(absolute):
        return PureWindowsPath(absolute.removeprefix(_LONG_PATH)).as_uri()
    # As `Path.as_uri` does, without taking the path apart once more.
    url = "file://" + quote_from_bytes(os.fsencode(absolute))
    return "file://" + url.removeprefix("file:////") if url.startswith("file:////") else url


def is_windows_path(text: str) -> bool:
    """Whether a text is an absolute path of Windows, which pathlib takes for a relative one on other systems."""
    return _DRIVE.match(text) is not None or text.startswith("\\\\")


def clean_file_name(name: str) -> str:
    """A file name as text that can be written anywhere: bytes that are no UTF-8 (Latin-1 names on old disks) replaced."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _decode(raw: str) -> str:
    """Undo percent-escapes; the %04d of an image sequence is none."""
    folder, name = _split_name(raw)
    if parse_image_name(name) is not None:
        return unquote(folder, errors="surrogateescape") + name
    return unquote(raw, errors="surrogateescape")  # a name need not be UTF-8


def _split_name(raw: str) -> tuple[str, str]:
    start = max(raw.rfind("/"), raw.rfind("\\")) + 1
    return raw[:start], raw[start:]


def _strip_host(rest: str) -> str:
    """The path after "file:" without an empty or local host; another host makes a network path (//nas/share)."""
    if not rest.startswith("//"):
        return rest
    host, slash, path = rest[2:].partition("/")
    if host.lower() in ("", "localhost"):
        return slash + path
    if re.fullmatch(r"[A-Za-z]:", host):
        return host + slash + path
    return rest


def _absolute(path_text: str, base_folder: Path) -> Path:
    if _DRIVE.match(path_text) is not None:
        return Path(path_text.lstrip("/"))
    if is_windows_path(path_text):
        return Path(path_text)
    return base_folder.absolute() / path_text
