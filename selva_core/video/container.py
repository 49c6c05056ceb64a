"""Opens a file with FFmpeg and finds its picture; errors of PyAV are translated here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import av
import av.error
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError, NoVideoStreamError
from selva_core.video.regular_file import require_file

_STILL_FORMATS = frozenset({"image2", "image2pipe"})
_GENERATE_PTS = 0x0001
"""AVFMT_FLAG_GENPTS, which PyAV sets: FFmpeg then makes up times of display where a container states none, and for H.264
and HEVC they are wrong."""
_LOCAL_FILES = {"protocol_whitelist": "file,crypto,data"}
_ENCRYPTED_TAGS = frozenset({"encv", "drmi"})
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_ENCRYPTION_TAG = "enc_key_id"


DAMAGE_ERRORS = (
    av.error.InvalidDataError,
    av.error.ArgumentError,
    av.error.ExternalError,
    av.error.PermissionError,
)
"""What decoders report of damaged packets; old ones return -1, which reads as a missing permission."""

_PLAYLIST_FORMATS = frozenset(
    ("hls", "concat", "dash", "imf", "sdp", "rtsp", "webm_dash_manifest", "avisynth", "vapoursynth")
)
"""FFmpeg's formats whose files name others: the identity of such a file says nothing about the picture."""


@contextmanager
def translate_media_errors(path: Path) -> Iterator[None]:
    """Turn PyAV's errors about `path` into MediaError."""
    try:
        yield
    except av.error.FileNotFoundError as exc:
        raise MediaNotFoundError(f"there is no file {path}", path=str(path)) from exc
    except IndexError as exc:
        # A damaged packet of FLV or SWF can announce a further stream, which PyAV does not look for.
        message = f"{path.name} is damaged; transcode it or use another copy"
        raise MediaUnreadableError(message, path=str(path)) from exc
    except av.error.FFmpegError as exc:
        # Demuxers return a bare -1, which reads as a missing permission, for content that they do not understand.
        is_denied = isinstance(exc, av.error.PermissionError)
        if is_denied and not os.access(path, os.R_OK):
            message = f"{path} may not be read; give this user the permission to read it"
            raise MediaUnreadableError(message, path=str(path)) from exc
        reason = "its content is not understood" if is_denied else exc.strerror
        message = f"{path.name} cannot be decoded ({reason}); check that it plays, or transcode it"
        raise MediaUnreadableError(message, path=str(path)) from exc


def open_container(path: Path, options: Mapping[str, str] | None = None) -> InputContainer:
    """Open a regular file. options: of FFmpeg's demuxer. Raises MediaError."""
    require_file(path)
    with translate_media_errors(path):
        # FFmpeg takes no absolute path for a protocol ("concat:", "http:"), and the list keeps playlists to local files.
        container = av.open(str(path.absolute()), mode="r", options={**_LOCAL_FILES, **(options or {})})
    if container.format.name.split(",")[0] in _PLAYLIST_FORMATS:
        container.close()
        raise MediaUnreadableError(
            f"{path.name} is a list of other files, which may change without it; use these files, or write their picture "
            "into one (ffmpeg -i LIST -c copy one.mov)",
            path=str(path),
        )
    container.flags &= ~_GENERATE_PTS
    return container


def find_video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The picture of a file, which is no cover picture: of several the largest, as ffmpeg chooses, and of these the first.

    Raises NoVideoStreamError.
    """
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
    known = [stream for stream in videos if stream.codec_context is not None]
    if not known:
        raise MediaUnreadableError(
            f"the codec of {path.name} is not known here; transcode it, to ProRes or H.264 for example",
            path=str(path),
        )
    return max(known, key=lambda stream: stream.width * stream.height)  # the first of the largest ones


def count_videos(container: InputContainer) -> int:
    """How many streams of pictures there are that are no covers."""
    return sum(not stream.disposition & Disposition.attached_pic for stream in container.streams.video)


def create_alpha_decoder(stream: VideoStream) -> VideoCodecContext | None:
    """A decoder that gives the alpha of WebM files; None for streams without it, and where this FFmpeg has none."""
    name = _ALPHA_DECODERS.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode") != "1":
        return None
    try:
        decoder = CodecContext.create(name, "r")
    except (av.error.FFmpegError, ValueError):
        return None
    return decoder if isinstance(decoder, VideoCodecContext) else None


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
