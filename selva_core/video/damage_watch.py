"""Finds the damaged frames of a pass over a stream, in whichever way the decoder reports them.

Some decoders raise an error, some mark the frame or the packet, and some return no frame and report nothing. Packets that are
missing from the container are reported by no decoder.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from selva_core.video.containers.matroska import is_gap_damaged

_GIVES_ALL_FRAMES = frozenset(
    ("h264", "hevc", "prores", "dnxhd", "ffv1", "mjpeg", "png", "jpeg2000", "cfhd", "huffyuv", "utvideo", "v210", "rawvideo")
)  # fmt: skip
"""Codecs that make one frame of every packet, so that a missing frame was lost. H.264 and HEVC report no error for it; with the
others FFmpeg's decoding threads report the error some packets late, so that the packet at hand is not the damaged one."""


class DamageWatch:
    """Follows one pass over a stream that states times of display. Times are timestamps in ticks.

    first_pts: the first frame that counts; None for the first that is decoded. After a seek, frames that refer to others before
    it cannot be decoded, which is no damage.
    """

    def __init__(self, path: Path, *, codec: str, is_matroska: bool, first_pts: int | None) -> None:
        self._gives_all_frames = codec in _GIVES_ALL_FRAMES
        self._gap = _MatroskaGap(path) if is_matroska else None
        self._first_pts = first_pts
        self._awaited: set[int] = set()
        self._broken: set[int] = set()

    def on_packet(self, packet: Packet[VideoStream]) -> None:
        """A packet is about to be decoded."""
        if packet.pts is None or not packet.size or packet.is_discard:
            return
        if self._gives_all_frames:
            self._awaited.add(packet.pts)
        if packet.is_corrupt:
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


class _MatroskaGap:
    """Looks for damage between the packets of a Matroska file that are further apart than others."""

    def __init__(self, path: Path) -> None:
        self._path = path
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
        is_damaged = is_gap_damaged(
            self._path, after_byte=last[1], size_bytes=last[2], before_byte=packet.pos
        )
        return range(last[0] + usual_ticks, now, usual_ticks) if is_damaged else range(0)
