"""The page of results: one file with pictures, evidence, waveforms and sound in it."""

from __future__ import annotations

import base64
import io
import re
import zlib
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from selva_core.audio.aac import encode_aac
from selva_core.base.errors import MediaUnreadableError
from selva_render import report_page
from selva_render.overview import DrawnStem, SeenFrame, StemRow, StripFrame
from selva_render.overview_sources import Overview
from selva_render.report_page import build_page, encode_png


@pytest.fixture
def stem(tmp_path: Path) -> Path:
    file = tmp_path / "Dog's <b> 1.wav"
    seconds = np.arange(48_000) / 48_000
    soundfile.write(file, 0.5 * np.sin(2 * np.pi * 440 * seconds), 48_000, subtype="PCM_24")
    return file


def overview(stem: Path) -> Overview:
    frame = StripFrame(record_start_s=0.0, record_end_s=1.0, rgb=np.full((4, 6, 3), 128, np.uint8))
    drawn = DrawnStem(
        record_start_s=0.0,
        record_end_s=1.0,
        envelope=np.asarray([[-0.5, -0.2], [0.5, 0.2]], np.float32),
        presence=np.asarray([0.1, 0.9], np.float32),
        file=stem,
    )
    silent = DrawnStem(
        record_start_s=1.0,
        record_end_s=2.0,
        envelope=np.zeros((2, 2), np.float32),
        is_silenced=True,
        file=stem,
    )
    seen = SeenFrame(frame=frame, heat=np.ones((2, 2), np.float32))
    row = StemRow(track="<Dog>", prompt="a & b", stems=(drawn, silent), seen=(seen,))
    return Overview(title="cut <1>", strip=(frame,), rows=(row,), end_s=2.0, missing=("there is no <file>",))


class _Elements(HTMLParser):
    """Every element with its attributes, and which of them are still open."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_page_is_whole_and_needs_nothing_beside_it(stem: Path) -> None:
    page = build_page(overview(stem), ["walk.mov: <2> stems"])
    elements = _Elements()
    elements.feed(page)
    assert elements.open == []
    sources = [values["src"] or "" for _, values in elements.found if "src" in values]
    assert [source.partition(";")[0] for source in sources] == ["data:image/png", "data:audio/mp4"]
    assert not re.search(r"https?:|//|url\((?!\))", re.sub(r"data:[^\")]+", "", page))
    assert "&lt;Dog&gt;" in page
    assert "not seen in the picture, so silent" in page
    assert [tag for tag, _ in elements.found].count("polygon") == 2


def test_sound_beyond_the_limit_is_played_from_its_file(stem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_page, "MAX_SOUND_S", 0.5)
    page = build_page(overview(stem), [])
    assert "data:audio" not in page
    assert 'src="stems/Dog%27s%20%3Cb%3E%201.wav"' in page


def test_encoded_sound_is_the_stem(stem: Path, tmp_path: Path) -> None:
    with av.open(io.BytesIO(encode_aac(stem))) as container:
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        assert container.streams.audio[0].rate == 48_000
    assert len(samples) / 48_000 == pytest.approx(1.0, abs=0.05)
    spectrum = np.abs(np.fft.rfft(samples[4_800:43_200]))
    assert float(Fraction(int(np.argmax(spectrum))) * 48_000 / 38_400) == pytest.approx(440, abs=2)
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    with pytest.raises(MediaUnreadableError, match=r"bad\.wav"):
        encode_aac(tmp_path / "bad.wav")


@pytest.mark.parametrize("channels", [3, 4])
def test_encoded_pictures_are_read_by_another_decoder(channels: int) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 7, channels), np.uint8)
    encoded = encode_png(pixels)
    codec = av.CodecContext.create("png", "r")
    assert isinstance(codec, av.VideoCodecContext)
    (frame,) = [*codec.decode(av.Packet(encoded)), *codec.decode(None)]
    assert np.array_equal(frame.to_ndarray(format="rgb24" if channels == 3 else "rgba"), pixels)
    assert zlib.crc32(b"IEND") == int.from_bytes(encoded[-4:], "big")
    assert base64.b64encode(encoded).isascii()
