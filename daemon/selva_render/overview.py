"""A picture of a rendered timeline: the picture strip, one waveform per stem track and the cue spans, on one time axis.

Reading the picture and the stems needs av and soundfile, drawing needs matplotlib (extra `plot`); this
module is imported by the command that draws alone.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from selva_core.base.atomic_write import write_atomic

_INK = "#1d2733"
_QUIET = "#8a96a3"
_COLOURS = ("#2f7f79", "#b5562d", "#4b5fa8", "#8a6d1d", "#7a3f73", "#3d7a34")


@dataclass(frozen=True, kw_only=True)
class StripFrame:
    """One picture of the strip: rgb uint8 (H, W, 3), shown over a record span, on any aspect."""

    record_start_s: float
    record_end_s: float
    rgb: npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class DrawnStem:
    """One stem on the time axis: lowest and highest sample of each column, float32 (2, columns)."""

    record_start_s: float
    record_end_s: float
    envelope: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class StemRow:
    """One stem track: its name, its prompt and its stems."""

    track: str
    prompt: str
    stems: Sequence[DrawnStem]


def draw_overview(
    title: str, strip: Sequence[StripFrame], rows: Sequence[StemRow], *, end_s: float, out_path: Path
) -> None:
    """Write the picture as PNG. end_s: the length of the time axis, in seconds after the timeline's start. Raises OutputError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - an extra
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(14, 1.9 + 1.5 * len(rows)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(
        1 + len(rows), 1, sharex=True, height_ratios=[1.1] + [1.0] * len(rows), squeeze=False
    )[:, 0]
    axes[0].set_title(title, loc="left", fontsize=12, color=_INK)
    _draw_strip(axes[0], strip)
    for index, (axis, row) in enumerate(zip(axes[1:], rows, strict=True)):
        _draw_row(axis, row, _COLOURS[index % len(_COLOURS)], end_s)
    axes[-1].set_xlim(0, end_s)
    axes[-1].set_xlabel("seconds after the timeline's start", color=_INK)
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": "Selva Bridge"})
    write_atomic(out_path, png.getvalue())


def _draw_strip(axis: Any, strip: Sequence[StripFrame]) -> None:
    axis.set_ylim(0, 1)
    axis.set_yticks([])
    axis.set_ylabel("picture", rotation=0, ha="right", va="center", color=_INK)
    axis.set_facecolor("#10151b")
    for frame in strip:
        extent = (frame.record_start_s, frame.record_end_s, 0, 1)
        axis.imshow(frame.rgb, extent=extent, aspect="auto", interpolation="bilinear")


def _draw_row(axis: Any, row: StemRow, colour: str, end_s: float) -> None:
    peak = max((float(np.abs(stem.envelope).max(initial=0.0)) for stem in row.stems), default=0.0)
    axis.set_ylim(-1.05, 1.05)
    axis.set_yticks([])
    axis.set_ylabel(row.track, rotation=0, ha="right", va="center", color=_INK)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    for stem in row.stems:
        axis.axvspan(stem.record_start_s, stem.record_end_s, color=colour, alpha=0.09, lw=0)
        for edge_s in (stem.record_start_s, stem.record_end_s):
            axis.axvline(edge_s, color=colour, alpha=0.5, lw=0.8)
        low, high = stem.envelope / max(peak, 1e-6)
        at_s = np.linspace(stem.record_start_s, stem.record_end_s, len(low))
        axis.fill_between(at_s, low, high, color=colour, lw=0.4)
    level = f"peak {20 * np.log10(peak):.0f} dBFS" if peak > 0 else "silent"
    axis.text(
        0.004, 0.97, f"“{row.prompt}”  {level}", transform=axis.transAxes, va="top", fontsize=9, color=_QUIET
    )
