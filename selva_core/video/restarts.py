"""Whether the clock of an MPEG program or transport stream starts over: two recordings joined as bytes, or a channel change.

FFmpeg's seeks and durations assume one ascending clock; with two, a seek may land in either part. The reference clocks are read
at evenly spaced positions, so that the time for it does not grow with the recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from selva_core.base.errors import MediaUnreadableError
from selva_core.video.containers import flv, matroska, mxf_index
from selva_core.video.containers.iso_boxes import count_movies

CLOCK_HZ = 90_000
_WRAP_TICKS = 1 << 33
_PACKET_SIZES = (188, 192, 204)
_SYNC = 0x47
_SAMPLES = 256
_SAMPLE_BYTES = 256 << 10
_BACK_S = 1
"""Clocks of one recording never go back; multiplexers that write them a little early do, by less than this."""
_AHEAD_S = 60
"""References are at most 0.7 s apart (ISO/IEC 13818-1, 2.7.1); still pictures may be far apart all the same."""


@dataclass(frozen=True, kw_only=True)
class ClockJump:
    """at_s: about how long after the file's start. direction: "back" or "ahead"."""

    at_s: Fraction
    direction: str


def find_clock_jump(path: Path, format_name: str) -> ClockJump | None:
    """The first place where the clock of a stream does not go on; None where it does, and for other formats."""
    if format_name not in ("mpeg", "mpegts"):
        return None
    read_clocks = _transport_clocks if format_name == "mpegts" else _program_clocks
    first: dict[int, int] = {}
    latest: dict[int, int] = {}
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            is_whole = size <= _SAMPLES * _SAMPLE_BYTES
            for block in _iter_samples(file, size, is_whole=is_whole):
                for program, ticks in read_clocks(block):
                    before = latest.setdefault(program, ticks)
                    start = first.setdefault(program, ticks)
                    direction = _judge_step((ticks - before) % _WRAP_TICKS, is_whole=is_whole)
                    if direction is not None:
                        at_s = Fraction((before - start) % _WRAP_TICKS, CLOCK_HZ)
                        return ClockJump(at_s=at_s, direction=direction)
                    latest[program] = ticks
    except OSError:
        return None
    return None


def jump_error(path: Path, jump: ClockJump) -> MediaUnreadableError:
    """The refusal of a file whose clock does not go on."""
    return MediaUnreadableError(
        f"timestamps of {path.name} jump {jump.direction} at {float(jump.at_s):.1f} s: it was joined from several "
        "recordings; remux them into one file (ffmpeg's concat demuxer does), or use the parts",
        path=str(path),
        jumps_at_s=float(jump.at_s),
    )


def joined_error(path: Path) -> MediaUnreadableError:
    """The refusal of files that lie one behind the other in one."""
    return MediaUnreadableError(
        f"{path.name} was joined as bytes from several files, of which players show one; join them with "
        "ffmpeg's concat demuxer, or use the parts",
        path=str(path),
    )


def is_joined(path: Path, format_name: str) -> bool:
    """Whether whole files of a format that begins anew with each lie one behind the other."""
    if "mp4" in format_name:
        return count_movies(path) > 1
    if format_name.startswith("matroska"):
        return matroska.is_followed_by_another(path)
    if format_name == "flv":
        return flv.is_followed_by_another(path)
    return format_name == "mxf" and mxf_index.is_followed_by_another(path)


def _judge_step(step_ticks: int, *, is_whole: bool) -> str | None:
    """Whether a clock jumps from one reference to the next; between samples of a large file it may be far ahead."""
    if _WRAP_TICKS // 2 < step_ticks < _WRAP_TICKS - _BACK_S * CLOCK_HZ:
        return "back"
    if is_whole and _AHEAD_S * CLOCK_HZ < step_ticks <= _WRAP_TICKS // 2:
        return "ahead"
    return None


def _iter_samples(file: BinaryIO, size: int, *, is_whole: bool) -> Iterator[bytes]:
    """All of a small file, else blocks of it at even distances, to the end."""
    if is_whole:
        starts, length = range(0, size, _SAMPLE_BYTES), _SAMPLE_BYTES + 1024
    else:
        step = (size - _SAMPLE_BYTES) // (_SAMPLES - 1)
        starts, length = range(0, size - _SAMPLE_BYTES + 1, step), _SAMPLE_BYTES
    for start in starts:
        file.seek(start)
        yield file.read(length)


def _program_clocks(block: bytes) -> Iterator[tuple[int, int]]:
    """System clock references of pack headers (ISO/IEC 13818-1, 2.5.3.3, and 11172-1): program 0, ticks of 1/90000 s."""
    at = block.find(b"\x00\x00\x01\xba")
    while 0 <= at <= len(block) - 10:
        head = block[at + 4 : at + 10]
        if head[0] >> 6 == 1:
            high = (head[0] >> 3 & 7) << 30 | (head[0] & 3) << 28 | head[1] << 20
            yield 0, high | (head[2] >> 3) << 15 | (head[2] & 3) << 13 | head[3] << 5 | head[4] >> 3
        elif head[0] >> 4 == 2:
            yield (
                0,
                (head[0] >> 1 & 7) << 30 | head[1] << 22 | (head[2] >> 1) << 15 | head[3] << 7 | head[4] >> 1,
            )
        at = block.find(b"\x00\x00\x01\xba", at + 4)


def _transport_clocks(block: bytes) -> Iterator[tuple[int, int]]:
    """Program clock references of transport packets (ISO/IEC 13818-1, 2.4.3.4): packet identifier, ticks of 1/90000 s."""
    size, at = _find_packets(block)
    while size and at + 12 <= len(block):
        if block[at] != _SYNC:
            return
        has_adaptation = block[at + 3] & 0x20 and block[at + 4] >= 7
        if has_adaptation and block[at + 5] & 0x10:
            clock = block[at + 6 : at + 11]
            ticks = int.from_bytes(clock[:4], "big") << 1 | clock[4] >> 7
            yield (block[at + 1] & 0x1F) << 8 | block[at + 2], ticks
        at += size


def _find_packets(block: bytes) -> tuple[int, int]:
    """Size and start of the packets; size 0 where there are none."""
    for at in range(min(len(block), 4 * max(_PACKET_SIZES))):
        for size in _PACKET_SIZES:
            if all(block[at + k * size : at + k * size + 1] == b"\x47" for k in range(5)):
                return size, at
    return 0, 0
