"""Finds the damaged frames of a pass over a stream, in whichever way the decoder reports them.

Some decoders raise an error, some mark the frame or the packet, and some return no frame and report nothing. Packets that are
missing from the container are reported by no decoder.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from selva_core.video.containers import flv, matroska

GapReader = Callable[[Path, int, int, int], bool]
"""Whether something else than elements of the container lies between two packets: file, place and size of the first one, place
of the second.
"""

_GIVES_ALL_FRAMES = frozenset(
    ("h264", "hevc", "prores", "dnxhd", "ffv1", "mjpeg", "png", "jpeg2000", "cfhd", "huffyuv", "utvideo", "v210", "rawvideo",
     "mpeg1video", "mpeg2video", "av1", "libdav1d")
)  # fmt: skip
"""Codecs that make one frame of every packet, so that a missing frame was lost. H.264, HEVC, MPEG-1, MPEG-2 and AV1 report no
error for it; with the others FFmpeg's decoding threads report the error some packets late, so that the packet at hand is not
the damaged one."""

DECODES_WITHOUT_KEY = frozenset(
    ("mpeg4", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "h263", "h263p", "flv1", "wmv1", "wmv2")
)
"""Codecs whose decoders take grey for the key frame that they do not have, and report nothing."""

_UNCODED = frozenset(
    ("rawvideo", "r210", "r10k", "v210", "v308", "v408", "v410", "y41p", "yuv4", "012v", "bitpacked", "wrapped_avframe")
)  # fmt: skip
"""Pictures as they are: black may be zeros."""
_HEAD_BYTES = 64
_MAX_LOST_FRAMES = 4096
_MIN_CODED_BYTES = 16

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_JPEG_FRAMES = (b"\xff\xc0", b"\xff\xc1", b"\xff\xc2")
"""Headers of frames (ITU-T T.81, table B.1), one in each image."""
_GAP_READERS: dict[str, GapReader] = {
    "matroska": lambda path, after, size, before: matroska.is_gap_damaged(
        path, after_byte=after, size_bytes=size, before_byte=before
    ),
    "flv": lambda path, after, _, before: flv.is_gap_damaged(path, after_byte=after, before_byte=before),
}


class DamageWatch:
    """Follows one pass over a stream that states times of display. Times are timestamps in ticks.

    first_pts: the first frame that counts, with which the stream begins; None after a seek, for the first that is decoded. Then
    frames that refer to others before it cannot be decoded, which is no damage. reads_gaps: whether frames that are further apart
    than others may be so without damage.
    """

    def __init__(
        self, path: Path, *, codec: str, format_name: str, first_pts: int | None, reads_gaps: bool
    ) -> None:
        self._codec = codec
        self._gives_all_frames = codec in _GIVES_ALL_FRAMES
        self._lacks_key = first_pts is not None and codec in DECODES_WITHOUT_KEY
        is_gap_damaged = _GAP_READERS.get(format_name.split(",", maxsplit=1)[0]) if reads_gaps else None
        self._is_jpeg_stream = format_name == "mjpeg"
        self._gap = None if is_gap_damaged is None else _ContainerGap(path, is_gap_damaged)
        self._first_pts = first_pts
        self._awaited: set[int] = set()
        self._broken: set[int] = set()

    def on_packet(self, packet: Packet[VideoStream]) -> None:
        """A packet is about to be decoded."""
        if packet.pts is None or not packet.size or packet.is_discard:
            return
        if self._gives_all_frames:
            self._awaited.add(packet.pts)
        self._lacks_key = self._lacks_key and not packet.is_keyframe
        if self._lacks_key:
            self._broken.add(packet.pts)
        if is_erased(packet, self._codec):
            self._broken.add(packet.pts)
        if packet.is_corrupt or (self._is_jpeg_stream and not _is_one_image(bytes(packet))):
            self._broken.add(packet.pts)
        if self._gap is not None:
            self._broken.update(self._gap.lost_before(packet))

    def on_broken(self, packet: Packet[VideoStream]) -> None:
        """The decoder reported an error with this packet or one shortly before."""
        if packet.pts is not None and not packet.is_discard and not self._gives_all_frames:
            self._broken.add(packet.pts)

    def lost_up_to(self, frame: VideoFrame) -> Collection[int]:
        """The damaged frames that are known once `frame` is decoded and were not returned before."""
        if frame.pts is None:
            return ()
        if self._first_pts is None:
            self._first_pts = frame.pts
        if frame.is_corrupt:
            self._broken.add(frame.pts)
        if self._awaited:
            late = [pts for pts in self._awaited if pts <= frame.pts]
            self._awaited.difference_update(late)
            if len(late) > 1 and not frame.interlaced_frame:  # two fields of a frame may come in two packets
                self._broken.update(pts for pts in late if pts < frame.pts)
        if not self._broken:
            return ()
        return self._take()

    def lost_at_end(self) -> Collection[int]:
        """The damaged frames that are known after the last packet and were not returned before."""
        self._broken |= self._awaited
        return () if self._first_pts is None else self._take()

    def _take(self) -> Collection[int]:
        first_pts = self._first_pts or 0
        lost = [pts for pts in self._broken if pts >= first_pts]
        self._broken.clear()
        return lost


def is_erased(packet: Packet[VideoStream], codec: str) -> bool:
    """Whether a packet is nothing but zeros, as where a part of a disk was lost: DV, HuffYUV, Ut Video, FFV1, Cinepak and
    QuickTime RLE decode it and report nothing.
    """
    if codec in _UNCODED or packet.size < _MIN_CODED_BYTES:
        return False
    content = memoryview(packet)
    return not any(content[:_HEAD_BYTES]) and not any(bytes(content))


def _is_one_image(content: bytes) -> bool:
    """Whether a packet of a bare JPEG stream is one image: FFmpeg adds an image whose start it cannot read to the one before."""
    begins_and_ends = content.startswith(_JPEG_START) and content.rstrip(b"\0").endswith(_JPEG_END)
    return begins_and_ends and sum(map(content.count, _JPEG_FRAMES)) <= content.count(_JPEG_START)


class _ContainerGap:
    """Looks for damage between the packets of a file that are further apart than others."""

    def __init__(self, path: Path, is_gap_damaged: GapReader) -> None:
        self._path = path
        self._is_gap_damaged = is_gap_damaged
        self._last: tuple[int, int, int] | None = None
        self._usual_ticks: int | None = None

    def lost_before(self, packet: Packet[VideoStream]) -> range:
        """The times between the last packet and this one, whose packets were lost."""
        now = packet.pts if packet.dts is None else packet.dts
        if packet.pos is None or now is None:
            return range(0)
        last, self._last = self._last, (now, packet.pos, packet.size)
        step_ticks = 0 if last is None else now - last[0]
        if last is None or step_ticks <= 0:
            return range(0)
        usual_ticks = self._usual_ticks or step_ticks
        self._usual_ticks = min(usual_ticks, step_ticks)
        if 2 * step_ticks <= 3 * usual_ticks:
            return range(0)
        is_damaged = self._is_gap_damaged(self._path, last[1], last[2], packet.pos)
        # A damaged timestamp may be days off.
        return range(last[0] + usual_ticks, now, usual_ticks)[:_MAX_LOST_FRAMES] if is_damaged else range(0)
