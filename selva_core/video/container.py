"""Opens a file with FFmpeg and finds its picture; errors of PyAV are translated here.

Only regular files are opened, and what they are is asked of the opened descriptor: a named pipe would block for ever, and a
device such as /dev/zero never ends.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError, NoVideoStreamError

_STILL_FORMATS = frozenset({"image2", "image2pipe"})
_GENERATE_PTS = 0x0001
"""AVFMT_FLAG_GENPTS, which PyAV sets: FFmpeg then makes up times of display where a container states none, and for H.264
and HEVC they are wrong."""
_LOCAL_FILES = {"protocol_whitelist": "file,crypto,data"}
_ENCRYPTED_TAGS = frozenset({"encv", "drmi"})
_ENCRYPTION_TAG = "enc_key_id"
_KIND_NAMES = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


@contextmanager
def translate_media_errors(path: Path) -> Iterator[None]:
    """Turn PyAV's errors about `path` into MediaError."""
    try:
        yield
    except av.error.FileNotFoundError as exc:
        raise MediaNotFoundError(f"there is no file {path}", path=str(path)) from exc
    except av.error.PermissionError as exc:
        message = f"{path} may not be read; give this user the permission to read it"
        raise MediaUnreadableError(message, path=str(path)) from exc
    except av.error.FFmpegError as exc:
        message = f"{path.name} cannot be decoded ({exc.strerror}); check that it plays, or transcode it"
        raise MediaUnreadableError(message, path=str(path)) from exc


def require_file(path: Path) -> None:
    """Raises MediaNotFoundError where nothing exists at `path`, MediaUnreadableError where it is no regular file of content."""
    try:
        # Without O_NONBLOCK, opening a named pipe waits for somebody who writes to it. Windows has neither.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError as exc:
        message = f"there is no file {path}; relink the clip or check that its drive is mounted"
        raise MediaNotFoundError(message, path=str(path)) from exc
    except OSError as exc:
        if path.is_dir():  # Windows opens no folders
            raise _wrong_kind(path, "a folder") from exc
        if path.exists() and not path.is_file():
            raise _wrong_kind(path, "no file") from exc
        message = f"{path} cannot be read ({exc.strerror or exc}); give this user the permission to read it"
        raise MediaUnreadableError(message, path=str(path)) from exc
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _wrong_kind(path, next((name for test, name in _KIND_NAMES if test(status.st_mode)), "no file"))
    if status.st_size == 0:
        message = f"{path} is empty; copy or render it again"
        raise MediaUnreadableError(message, path=str(path))


def open_container(path: Path, options: Mapping[str, str] | None = None) -> InputContainer:
    """Open a regular file. options: of FFmpeg's demuxer. Raises MediaError."""
    require_file(path)
    with translate_media_errors(path):
        # FFmpeg takes no absolute path for a protocol ("concat:", "http:"), and the list keeps playlists to local files.
        container = av.open(str(path.absolute()), mode="r", options={**_LOCAL_FILES, **(options or {})})
    container.flags &= ~_GENERATE_PTS
    return container


def find_video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The picture of a file, which is no cover picture. Raises NoVideoStreamError."""
    if container.format.name in _STILL_FORMATS or container.format.name.endswith("_pipe"):
        raise NoVideoStreamError(
            f"{path.name} is a still image; a video is needed. "
            "An image sequence is named by its pattern, as frame.%04d.png, with its frame rate",
            path=str(path),
        )
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not videos:
        found = "only audio" if container.streams.audio else "no video"
        raise NoVideoStreamError(
            f"{path.name} holds {found}; a clip with a video stream is needed", path=str(path)
        )
    best = container.streams.best("video")
    return best if isinstance(best, VideoStream) and best in videos else videos[0]


def require_clear(stream: VideoStream, packet: Packet[VideoStream] | None, path: Path) -> None:
    """Raises MediaUnreadableError where a stream is encrypted: by its description, or by what comes with a packet."""
    is_encrypted = stream.codec_context.codec_tag in _ENCRYPTED_TAGS or _ENCRYPTION_TAG in stream.metadata
    if packet is not None and not is_encrypted:
        is_encrypted = packet.has_sidedata("encryption_info") or packet.has_sidedata("encryption_init_info")
    if is_encrypted:
        raise MediaUnreadableError(
            f"{path.name} is encrypted (copy-protected), so that its picture cannot be read; use a copy without protection",
            path=str(path),
        )


def _wrong_kind(path: Path, kind: str) -> MediaUnreadableError:
    return MediaUnreadableError(f"{path} is {kind}; a video file is needed", path=str(path))
