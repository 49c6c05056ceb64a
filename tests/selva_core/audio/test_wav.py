"""RIFF/WAVE files: chunks, sizes and samples, read back by other readers."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from selva_core.audio.wav import (
    BroadcastExtension,
    Chunk,
    build_info_chunk,
    describe_cut_off,
    iter_text_chunks,
    pack_pcm24,
    to_ascii,
    write_wave,
)
from selva_core.base.errors import RequestError

STEP = 2.0**-23


def wave_bytes(
    samples: np.ndarray, *, before: tuple[Chunk, ...] = (), after: tuple[Chunk, ...] = ()
) -> bytes:
    file = io.BytesIO()
    write_wave(file, [samples], num_samples=len(samples), sample_rate_hz=48_000, before=before, after=after)
    return file.getvalue()


@pytest.mark.parametrize("num_samples", [1, 2, 3, 1001, 48_000])
def test_another_reader_finds_the_same_samples(num_samples: int) -> None:
    steps = np.random.default_rng(1).integers(-(2**23), 2**23, num_samples)
    stored, rate_hz = soundfile.read(io.BytesIO(wave_bytes((steps * STEP).astype(np.float32))), dtype="int32")
    assert rate_hz == 48_000
    assert np.array_equal(stored >> 8, steps)


def test_every_chunk_starts_on_an_even_byte_and_the_sizes_add_up() -> None:
    odd = Chunk(b"odd ", b"abc")
    written = wave_bytes(np.zeros(5, np.float32), before=(odd,), after=(odd, Chunk(b"even", b"abcd")))
    assert struct.unpack("<I", written[4:8])[0] == len(written) - 8
    position, seen = 12, []
    while position < len(written):
        size_bytes = struct.unpack("<I", written[position + 4 : position + 8])[0]
        seen.append((written[position : position + 4], size_bytes))
        assert position % 2 == 0
        position += 8 + size_bytes + size_bytes % 2
    assert position == len(written)
    assert seen == [(b"odd ", 3), (b"fmt ", 16), (b"data", 15), (b"odd ", 3), (b"even", 4)]


def test_text_chunks_come_back_in_order_without_the_audio() -> None:
    before, after = Chunk(b"bext", b"x" * 601), Chunk(b"iXML", b"<a/>")
    written = wave_bytes(np.ones(7, np.float32) * 0.1, before=(before,), after=(after,))
    found = [chunk for chunk in iter_text_chunks(io.BytesIO(written)) if chunk.chunk_id != b"fmt "]
    assert found == [before, after]


@pytest.mark.parametrize("broken", [b"", b"RIFF", b"RIFF\0\0\0\0AVI ", b"ID3" + b"\0" * 20])
def test_other_files_than_wav_are_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match="not a RIFF/WAVE file"):
        list(iter_text_chunks(io.BytesIO(broken)))


def test_truncated_wav_file_ends_without_error() -> None:
    written = wave_bytes(np.zeros(9, np.float32), before=(Chunk(b"bext", b"x" * 602),))
    assert [chunk.chunk_id for chunk in iter_text_chunks(io.BytesIO(written[:650]))] == [b"bext", b"fmt "]


def test_samples_are_rounded_to_nearest_and_clipped_at_full_scale() -> None:
    samples = np.array([0.0, 1.0, -1.0, 2.0, -2.0, 0.4 * STEP, 0.6 * STEP, -0.6 * STEP], np.float32)
    packed = np.frombuffer(pack_pcm24(samples), np.uint8).reshape(-1, 3)
    integers = [int.from_bytes(bytes(row), "little", signed=True) for row in packed]
    assert integers == [0, 2**23 - 1, -(2**23), 2**23 - 1, -(2**23), 0, 1, -1]


def test_silence_is_digital_silence() -> None:
    assert not any(pack_pcm24(np.zeros(100, np.float32)))


def test_more_than_four_gigabytes_is_refused_before_anything_is_written() -> None:
    file = io.BytesIO()
    with pytest.raises(RequestError, match="render it in parts"):
        write_wave(file, [], num_samples=1_431_655_760, sample_rate_hz=48_000)
    assert not file.getvalue()


def test_broadcast_extension_has_its_fixed_layout() -> None:
    extension = BroadcastExtension(
        description="d" * 300,
        originator="Selva Bridge",
        time_reference_samples=172_972_800,
        coding_history="A=PCM\r\n",
    )
    payload = extension.to_chunk().payload
    assert len(payload) == 602 + len("A=PCM\r\n")
    assert payload[:256] == b"d" * 256
    assert struct.unpack("<QH", payload[338:348]) == (172_972_800, 2)
    assert struct.unpack("<5h", payload[412:422]) == (0x7FFF,) * 5


def test_info_list_leaves_empty_texts_out() -> None:
    assert build_info_chunk({"INAM": "Dog", "ICRD": ""}).payload == b"INFOINAM\x04\0\0\0Dog\0"


@pytest.mark.parametrize(
    ("text", "ascii_text"),
    [
        ("plain", "plain"),
        ("café Ångström", "cafe Angstrom"),
        ("犬 bark", "? bark"),
        ("a\tb\0c", "a b c"),
        ("½", "1?2"),
    ],
)
def test_text_is_converted_to_its_nearest_ascii_form(text: str, ascii_text: str) -> None:
    assert to_ascii(text) == ascii_text


def test_a_wav_file_that_lacks_audio_is_described_and_a_whole_one_or_one_of_open_length_is_not(
    tmp_path: Path,
) -> None:
    layout = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 48_000, 144_000, 3, 24)

    def describe(stated: int, held: int) -> str | None:
        path = tmp_path / "a.wav"
        body = layout + struct.pack("<4sI", b"data", stated) + bytes(held)
        path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body)
        return describe_cut_off(path)

    assert describe(144_000, 72_000) == "a.wav is cut off: its last 0.50 s are missing; make it again"
    assert describe(144_000, 144_000) is None
    assert describe(0xFFFFFFFF, 72_000) is None
    (tmp_path / "b.wav").write_bytes(b"no sound at all")
    assert describe_cut_off(tmp_path / "b.wav") is None
    assert describe_cut_off(tmp_path / "none.wav") is None
