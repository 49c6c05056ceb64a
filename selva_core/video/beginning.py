"""What the first packets of a stream state: where its clock begins, the order of its frames, and their rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from selva_core.base.errors import MediaUnreadableError
from selva_core.video.container import DAMAGE_ERRORS, require_clear
from selva_core.video.packet_order import PacketStamp, states_display_order
from selva_core.video.rates import (
    MPEG_SLACK_S,
    FrameRate,
    is_plausible_rate,
    is_standard_rate,
    measure_rate,
    snap_rate,
)

_MAX_BROKEN_PACKETS = 64
_ORDER_PACKETS = 32
_RATE_PACKETS = 300
_MAX_SCANNED_BYTES = 64 << 20
MPEG_FORMATS = frozenset({"mpegts", "mpeg"})
_MEASURED_FORMATS = frozenset({*MPEG_FORMATS, "flv", "m4v"})
"""They state no rate: FFmpeg estimates one, and takes 119.88 for 120."""
# fmt: off
RAW_FORMATS = frozenset((
    "h261", "h263", "h264", "hevc", "vvc", "evc", "obu", "mpegvideo", "m4v", "mjpeg", "mjpeg_2000", "ipu", "dnxhd", "apv",
    "dirac", "cavsvideo", "avs2", "avs3", "vc1",
))
# fmt: on
"""Streams without a container: no time that FFmpeg gives for their packets is stated by the file."""
NUMBERING_FORMATS = frozenset({"avi", "mxf"})
"""FFmpeg numbers their frames by the place in the file, so that a lost first packet leaves a gap before the second."""
_VARYING_FORMATS = frozenset({"matroska,webm", "nut"})
"""They state the rate that the writer was set to, also where its frames vary (screen recordings, phones)."""
_MAX_LOST_FRAMES = 250
_MAX_RATE_ERROR = Fraction(1, 100)
_TICK_RATE_RATIO = Fraction(1, 500)


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """origin_pts: time of the first frame as the container states it, decodable or not. states_times: whether timestamps
    are those of the screen. has_hidden_frames: whether an edit list hides frames before the first one shown. begins_on_zero:
    whether a frame begins where the edit does. undecoded_pts: frames before the first decodable one. first_byte: where the
    first packet lies in the file, if that is known. begins_with_key: whether it holds a key frame. first_decoded_at: when it
    is decoded, in ticks, if that is known.
    """

    origin_pts: int
    states_times: bool
    frame_rate: FrameRate | None
    rotation_deg: int
    has_hidden_frames: bool = False
    begins_on_zero: bool = True
    undecoded_pts: Sequence[int] = ()
    first_byte: int | None = None
    begins_with_key: bool = True
    first_decoded_at: Fraction | None = None

    def moved_to(self, origin_pts: int) -> Beginning:
        """The same with another origin."""
        return replace(self, origin_pts=origin_pts)

    def preceded_by(self, lost_pts: Sequence[int]) -> Beginning:
        """The same with frames before it that are lost, from the first of which the clock then counts."""
        lost = (*lost_pts, *self.undecoded_pts)
        return replace(self, origin_pts=lost_pts[0], undecoded_pts=lost)


@dataclass(kw_only=True)
class _Scan:
    """The timestamps of the packets that were read so far."""

    stamps: list[PacketStamp] = field(default_factory=list)
    size_bytes: int = 0
    first_byte: int | None = None
    begins_with_key: bool = True
    reached_end: bool = False

    def shown_pts(self) -> list[int]:
        return [stamp.pts for stamp in self.stamps if stamp.pts is not None and not stamp.is_hidden]


def read_beginning(container: InputContainer, stream: VideoStream, path: Path) -> Beginning:
    """Decode the first frame of a stream that was just opened, and read as many packets as its clock needs.

    Leaves the stream behind them. Raises MediaUnreadableError where no frame can be decoded.
    """
    scan = _Scan()
    packets = container.demux(stream)
    first = None
    num_broken = 0
    for packet in packets:
        require_clear(stream, packet, path)
        _record(scan, packet)
        try:
            frames = stream.decode(packet)
        except DAMAGE_ERRORS as exc:
            num_broken += 1
            if num_broken > _MAX_BROKEN_PACKETS:
                raise MediaUnreadableError(
                    f"{path.name} is damaged ({exc.strerror}); transcode it or use another copy",
                    path=str(path),
                ) from exc
            continue
        if frames:
            first = frames[0]
            break
    if first is None:
        raise MediaUnreadableError(f"no frame of {path.name} can be decoded", path=str(path))
    depth = stream.codec_context.reorder_depth
    while not _knows_order(scan, depth) and _read_more(scan, packets):
        pass
    states_times = states_display_order(scan.stamps, reorder_depth=depth)
    frame_rate = _find_rate(scan, packets, container, stream, states_times=states_times)
    beginning = _describe(scan, first, frame_rate, states_times=states_times)
    return _begin_at_zero(beginning) if container.format.name in NUMBERING_FORMATS else beginning


def _begin_at_zero(beginning: Beginning) -> Beginning:
    """The same with frame 0 first, which was lost where the first packet is a later one."""
    lost_pts = range(min(beginning.origin_pts, _MAX_LOST_FRAMES))
    return beginning.preceded_by(lost_pts) if lost_pts else beginning


def _describe(
    scan: _Scan, first: VideoFrame, frame_rate: FrameRate | None, *, states_times: bool
) -> Beginning:
    shown = scan.shown_pts()
    undecoded: list[int] = []
    if states_times and shown:
        origin = min(shown)
        if first.pts is not None:
            undecoded = sorted(pts for pts in shown if pts < first.pts)
    else:
        times = (stamp.decoded_at for stamp in scan.stamps)
        origin = int(min((time for time in times if time is not None), default=Fraction(0)))
    return Beginning(
        origin_pts=origin,
        states_times=states_times,
        frame_rate=frame_rate,
        rotation_deg=first.rotation % 360,
        has_hidden_frames=any(stamp.is_hidden for stamp in scan.stamps),
        begins_on_zero=0 in shown,
        undecoded_pts=undecoded,
        first_byte=scan.first_byte,
        begins_with_key=scan.begins_with_key,
        first_decoded_at=scan.stamps[0].decoded_at if scan.stamps else None,
    )


def _record(scan: _Scan, packet: Packet[VideoStream]) -> bool:
    """Note a packet; whether it was one and not the end."""
    if not packet.size:
        scan.reached_end = True
        return False
    if not scan.stamps:
        scan.first_byte, scan.begins_with_key = packet.pos, packet.is_keyframe
    scan.stamps.append(PacketStamp(pts=packet.pts, dts=packet.dts, is_hidden=packet.is_discard))
    scan.size_bytes += packet.size
    return True


def _read_more(scan: _Scan, packets: Iterator[Packet[VideoStream]]) -> bool:
    packet = next(packets, None)
    return packet is not None and _record(scan, packet)


def _knows_order(scan: _Scan, reorder_depth: int) -> bool:
    """Whether the packets say in which order frames are shown, and which of them is first."""
    if len(scan.stamps) >= _ORDER_PACKETS or scan.size_bytes > _MAX_SCANNED_BYTES:
        return True
    shown = scan.shown_pts()
    if len(shown) < len(scan.stamps) and any(stamp.pts is None for stamp in scan.stamps):
        return True
    if reorder_depth > 0 and shown == sorted(shown):
        return False
    last = scan.stamps[-1]
    decoded_at = last.pts if last.dts is None else last.dts
    return bool(shown) and decoded_at is not None and decoded_at > min(shown)


def _find_rate(
    scan: _Scan,
    packets: Iterator[Packet[VideoStream]],
    container: InputContainer,
    stream: VideoStream,
    *,
    states_times: bool,
) -> FrameRate | None:
    stated = [stream.average_rate, stream.guessed_rate, stream.base_rate]
    if container.format.name in RAW_FORMATS:
        stated.insert(0, stream.codec_context.framerate)  # the average is FFmpeg's own 25
    stated_hz = next((rate_hz for rate_hz in stated if is_plausible_rate(rate_hz)), None)
    tick_s = stream.time_base or Fraction(1, 1000)
    if stated_hz is not None:
        duration_s = stream.duration * tick_s if stream.duration else Fraction(0)
        stated_hz = _prefer_tick_rate(snap_rate(stated_hz, tick_s=tick_s, duration_s=duration_s), tick_s)
    is_certain = stated_hz is not None and is_standard_rate(stated_hz)
    is_mpeg = container.format.name in MPEG_FORMATS
    may_vary = container.format.name in _VARYING_FORMATS
    is_measured = may_vary or container.format.name in _MEASURED_FORMATS
    if (not is_measured and is_certain) or not (states_times or is_measured):
        return None if stated_hz is None else FrameRate(rate_hz=stated_hz)
    while (
        len(scan.stamps) < _RATE_PACKETS
        and scan.size_bytes < _MAX_SCANNED_BYTES
        and _read_more(scan, packets)
    ):
        pass
    measured = measure_rate(
        _frame_times_s(scan, tick_s) if states_times else _decoding_times_s(scan, tick_s),
        tick_s,
        stated_hz=stated_hz,
        guessed_hz=stream.guessed_rate,
        slack_s=MPEG_SLACK_S if is_mpeg else Fraction(0),
        has_gaps=is_measured,
    )
    if measured is None:
        return None if stated_hz is None else FrameRate(rate_hz=stated_hz)
    if may_vary and stated_hz is not None and is_certain:
        return replace(measured, rate_hz=stated_hz)
    if scan.reached_end or measured.is_variable or stated_hz is None:
        return measured
    # A rate that is constant at first and has another average varies later.
    is_constant = abs(measured.rate_hz - stated_hz) <= stated_hz * _MAX_RATE_ERROR
    return measured if is_constant else replace(measured, is_variable=True)


def _frame_times_s(scan: _Scan, tick_s: Fraction) -> list[Fraction]:
    """Ascending times of the frames that were all read."""
    shown = sorted(set(scan.shown_pts()))
    last = scan.stamps[-1]
    if not scan.reached_end:
        complete_to = last.dts if last.dts is not None else shown[max(len(shown) - _ORDER_PACKETS, 0)]
        shown = [pts for pts in shown if pts <= complete_to]
    return [pts * tick_s for pts in shown]


def _decoding_times_s(scan: _Scan, tick_s: Fraction) -> list[Fraction]:
    """Ascending times of decoding; none where one of them is not stated."""
    times = [stamp.decoded_at for stamp in scan.stamps]
    return [] if None in times else sorted(time * tick_s for time in times if time is not None)


def _prefer_tick_rate(rate_hz: Fraction, tick_s: Fraction) -> Fraction:
    """119.88 where a frame is one tick and its codec can only say 120."""
    tick_rate_hz = 1 / tick_s
    is_near = abs(tick_rate_hz - rate_hz) <= rate_hz * _TICK_RATE_RATIO
    return tick_rate_hz if is_near and is_standard_rate(tick_rate_hz) else rate_hz
