"""One counter for each codec whose headers number its frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from selva_core.video.bitstreams.conference import H261Counter, H263Counter
from selva_core.video.bitstreams.dv import DvCounter
from selva_core.video.bitstreams.h264 import H264Counter
from selva_core.video.bitstreams.hevc import HevcCounter
from selva_core.video.bitstreams.mpeg4 import Mpeg4Counter
from selva_core.video.bitstreams.mpeg_video import MpegVideoCounter


class FrameCounter(Protocol):
    """Reads all packets of a stream, without decoding, and says where frames are missing between them."""

    def read(self, packet: bytes) -> None: ...

    def missing(self) -> Sequence[int]: ...


_COUNTERS: dict[str, Callable[[], FrameCounter]] = {
    "dvvideo": DvCounter,
    "h261": H261Counter,
    "h263": H263Counter,
    "h264": H264Counter,
    "hevc": HevcCounter,
    "mpeg1video": MpegVideoCounter,
    "mpeg2video": MpegVideoCounter,
    "mpeg4": Mpeg4Counter,
}
"""Motion JPEG, DNxHD and VC-1 number nothing, and key frames alone have no numbers in H.264 and HEVC either; VVC and AVS are
hardly met without a container."""


def create_frame_counter(codec: str) -> FrameCounter | None:
    """A counter for a codec by FFmpeg's name; None for one whose frames are not numbered, or not read here."""
    create = _COUNTERS.get(codec)
    return None if create is None else create()
