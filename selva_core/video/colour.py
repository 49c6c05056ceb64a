"""Decoded frames as an editor's SDR monitor shows them: BT.709, opaque.

HDR is converted as ITU-R BT.2408 relates it to SDR: reference white (203 cd/m2, which is 58 % of PQ and 75 % of HLG) becomes
white, brighter values clip, and BT.2020 primaries become those of BT.709 in linear light. HLG is read as scene light, so that its
colours stay those of an SDR camera; light is encoded with the same curve as linear images (EXR). Alpha is composited over black,
because that is what an editor shows below the lowest track.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

_TRC_PQ, _TRC_HLG = 16, 18  # ISO/IEC 23091-2, TransferCharacteristics
_PRIMARIES_BT2020 = 9
_UNSPECIFIED = 2
_KNOWN_MATRICES = frozenset((1, 4, 5, 6, 7, 9))  # MatrixCoefficients that FFmpeg's scaler has numbers for
_WHOLE_CHROMA = 0x2000  # SWS_FULL_CHR_H_INT
_EXACT = int(Interpolation.BICUBIC) | _WHOLE_CHROMA
"""FFmpeg's quick way from 10 and 12 bits to RGB is up to 3.5 levels of 255 too dark. Eight bits keep theirs (up to 2.4): the
published weights were trained on it."""
_REFERENCE_WHITE = 203.0
_HLG_WHITE = 0.75
_MIN_HD_WIDTH_PX, _MAX_SD_HEIGHT_PX = 1280, 576
"""Untagged footage is BT.601 up to the size of PAL, as players and editing programs take it, and BT.709 above."""
_OPAQUE = 255
_CODES = 1 << 16
# BT.2087, from BT.2020 to BT.709 in linear light.
_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


class SdrConverter:
    """Turns decoded frames of any size into RGB frames (rgb24) of the same size.

    was_transparent: whether the last frame was transparent in places.
    """

    def __init__(self) -> None:
        self._to_rgb = VideoReformatter()
        self.was_transparent = False

    def convert(self, frame: VideoFrame, *, is_hd: bool) -> VideoFrame:
        """The frame as BT.709 RGB over black. is_hd: of the frame before it was scaled."""
        self.was_transparent = False
        if is_wide_gamut(frame):
            return self._from_wide_gamut(frame)
        if has_alpha(frame):
            rgba = convert_matrix(self._to_rgb, frame, "rgba", is_hd=is_hd).to_ndarray()
            alpha = rgba[..., 3:].astype(np.uint16)
            self.was_transparent = bool((alpha < _OPAQUE).any())
            opaque = ((rgba[..., :3] * alpha + 127) // 255).astype(np.uint8)
            return VideoFrame.from_ndarray(opaque, format="rgb24")
        return convert_matrix(self._to_rgb, frame, "rgb24", is_hd=is_hd)

    def _from_wide_gamut(self, frame: VideoFrame) -> VideoFrame:
        is_tagged = frame.format.is_rgb or frame.colorspace in _KNOWN_MATRICES
        source = None if is_tagged else Colorspace.BT2020
        wide = self._to_rgb.reformat(
            frame, format="rgba64le", src_colorspace=source, interpolation=_EXACT, threads=1
        )
        codes = wide.to_ndarray()
        light = _light_of(frame.color_trc)[codes[..., :3]]
        light = np.clip(light @ _TO_BT709.T, 0, 1)
        shown = _display_codes()[(light * (_CODES - 1) + 0.5).astype(np.uint16)]
        if has_alpha(frame):
            alpha = codes[..., 3:]
            self.was_transparent = bool((alpha < _CODES - 1).any())
            shown = shown * (alpha.astype(np.float32) / (_CODES - 1))
        return VideoFrame.from_ndarray((shown + 0.5).astype(np.uint8), format="rgb24")


def has_alpha(frame: VideoFrame) -> bool:
    """Whether a frame may be transparent in places; palettes hold alpha too."""
    return frame.format.has_palette or any(component.is_alpha for component in frame.format.components)


def is_hd_frame(frame: VideoFrame) -> bool:
    """Whether a frame without a tag is read as BT.709."""
    return frame.width >= _MIN_HD_WIDTH_PX or frame.height > _MAX_SD_HEIGHT_PX


def is_wide_gamut(frame: VideoFrame) -> bool:
    """Whether a frame is HDR (PQ, HLG) or has the primaries of BT.2020."""
    return frame.color_trc in (_TRC_PQ, _TRC_HLG) or frame.color_primaries == _PRIMARIES_BT2020


def convert_matrix(
    reformatter: VideoReformatter, frame: VideoFrame, pix_fmt: str, *, is_hd: bool
) -> VideoFrame:
    """To RGB of another format, HD without a tag as BT.709. is_hd: of the frame before it was scaled."""
    is_untagged = frame.colorspace == _UNSPECIFIED and not frame.format.is_rgb
    source = Colorspace.ITU709 if is_untagged and is_hd else None
    is_deep = not frame.format.is_rgb and any(part.bits > 8 for part in frame.format.components)
    quality = _EXACT if is_deep else None
    return reformatter.reformat(
        frame, format=pix_fmt, src_colorspace=source, interpolation=quality, threads=1
    )


@cache
def _light_of(transfer: int) -> npt.NDArray[np.float32]:
    """Linear light over that of reference white, by 16-bit code."""
    code = np.linspace(0, 1, _CODES)
    if transfer == _TRC_PQ:  # SMPTE ST 2084
        root = code ** (32 / 2523)
        nits = 10_000 * (np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)) ** (
            8192 / 1305
        )
        return (nits / _REFERENCE_WHITE).astype(np.float32)
    if transfer == _TRC_HLG:  # ARIB STD-B67
        light = np.where(code <= 0.5, code**2 / 3, _hlg_upper(code))
        return (light / _hlg_upper(_HLG_WHITE)).astype(np.float32)
    # BT.2020 in standard range: as it is shown, with other primaries.
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _hlg_upper(code: npt.NDArray[np.float64] | float) -> npt.NDArray[np.float64]:
    """Light of the scene above half of the signal."""
    return np.asarray((np.exp((np.asarray(code) - 0.55991073) / 0.17883277) + 0.28466892) / 12)


@cache
def _display_codes() -> npt.NDArray[np.float32]:
    """0..255 by 16-bit linear light (IEC 61966-2-1)."""
    light = np.linspace(0, 1, _CODES)
    codes = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (255 * codes).astype(np.float32)
