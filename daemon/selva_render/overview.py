"""A picture of a rendered timeline: the picture strip, and for each stem track where its prompt was seen, whether, and its
waveforms, on one time axis.

Reading the picture and the stems needs av and soundfile, drawing needs matplotlib (extra `plot`); this
module is imported by the command that draws alone.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from selva_core.base.atomic_write import write_atomic
from selva_core.base.evidence import SEEN
from selva_core.base.regular_file import open_regular

_SOFTWARE = "Selva Bridge"
_PNG_HEAD_BYTES = 4096
_INK = "#1d2733"
_QUIET = "#8a96a3"
_FAINT = "#566270"
"""Of small text: light enough to step back, dark enough to be read."""
_STRIP_HEIGHT, _SEEN_HEIGHT, _WAVEFORM_HEIGHT = 1.0, 0.75, 1.0
_DIMMED, _LIT, _WHITENED = 0.6, 0.95, 0.45
_PRESENCE_FOOT, _PRESENCE_TOP = 1.1, 1.75
_LABEL_COLUMNS, _LABEL_LINES = 26, 4
_ON_WHITE = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
"""Behind text that lies over a waveform or a hatch."""
_COLOURS = ("#2f7f79", "#b5562d", "#4b5fa8", "#8a6d1d", "#7a3f73", "#3d7a34")


@dataclass(frozen=True, kw_only=True)
class StripFrame:
    """One picture of the strip: rgb uint8 (H, W, 3), shown over a record span, on any aspect."""

    record_start_s: float
    record_end_s: float
    rgb: npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class DrawnStem:
    """One stem on the time axis: lowest and highest sample of each column, float32 (2, columns).

    presence: float32 (steps,), 0..1, spread evenly over the stem; None where nothing is known of it. is_silenced: whether the
    stem is silent because nothing looks like its prompt. file: where the stem is.
    """

    record_start_s: float
    record_end_s: float
    envelope: npt.NDArray[np.float32]
    presence: npt.NDArray[np.float32] | None = None
    is_silenced: bool = False
    file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class SeenFrame:
    """Where a prompt was seen in one picture of the strip. heat: float32 (rows, columns), 0..1, from the top left."""

    frame: StripFrame
    heat: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class StemRow:
    """One stem track: its name, its prompt, its stems, and where the prompt was seen, if that is known."""

    track: str
    prompt: str
    stems: Sequence[DrawnStem]
    seen: Sequence[SeenFrame] = ()


def draw_overview(
    title: str, strip: Sequence[StripFrame], rows: Sequence[StemRow], *, end_s: float, out_path: Path
) -> None:
    """Write the picture as PNG. end_s: the length of the time axis, in seconds after the timeline's start. Raises OutputError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - an extra
    from matplotlib.figure import Figure  # noqa: PLC0415

    # A row with heat has two axes: thumbnails above, waveforms below.
    heights = [_STRIP_HEIGHT]
    for row in rows:
        heights += [_SEEN_HEIGHT, _WAVEFORM_HEIGHT] if row.seen else [_WAVEFORM_HEIGHT]
    figure = Figure(figsize=(14, 0.8 + 1.5 * sum(heights)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    axes[0].set_title(title, loc="left", fontsize=12, color=_INK)
    _draw_strip(axes[0], strip)
    remaining = iter(axes[1:])
    for index, row in enumerate(rows):
        colour = _COLOURS[index % len(_COLOURS)]
        if row.seen:
            _draw_seen(next(remaining), row.seen, colour)
        _draw_row(next(remaining), row, colour)
    axes[-1].set_xlim(0, end_s)
    axes[-1].set_xlabel("seconds after the timeline's start", color=_INK)
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": _SOFTWARE})
    write_atomic(out_path, png.getvalue())


def is_drawn_here(file: Path) -> bool:
    """Whether a file is a picture of `draw_overview`, by the note in its beginning; image editors write their own there."""
    try:
        with open_regular(file) as stream:
            head = stream.read(_PNG_HEAD_BYTES)
    except OSError:
        return False
    return head.startswith(b"\x89PNG") and b"tEXtSoftware\0" + _SOFTWARE.encode() in head


def _draw_strip(axis: Any, strip: Sequence[StripFrame]) -> None:
    axis.set_ylim(0, 1)
    axis.set_yticks([])
    axis.set_ylabel("picture", rotation=0, ha="right", va="center", color=_INK)
    axis.set_facecolor("#10151b")
    for frame in strip:
        extent = (frame.record_start_s, frame.record_end_s, 0, 1)
        axis.imshow(frame.rgb, extent=extent, aspect="auto", interpolation="bilinear")


def _draw_seen(axis: Any, seen: Sequence[SeenFrame], colour: str) -> None:
    """Dimmed thumbnails, with the places that the model looked at for this prompt lit in the track's colour."""
    axis.set_ylim(0, 1)
    axis.set_yticks([])
    axis.set_facecolor("#10151b")
    axis.tick_params(bottom=False)
    for each in seen:
        extent = (each.frame.record_start_s, each.frame.record_end_s, 0, 1)
        grey = each.frame.rgb.mean(axis=2, keepdims=True).repeat(3, axis=2) / 255.0
        axis.imshow(_DIMMED * grey, extent=extent, aspect="auto", interpolation="bilinear", vmin=0, vmax=1)
        light = np.ones((*each.heat.shape, 4))
        light[..., :3] = _rgb(colour) + (1.0 - _rgb(colour)) * _WHITENED
        light[..., 3] = _LIT * each.heat
        axis.imshow(light, extent=extent, aspect="auto", interpolation="bicubic")


def _rgb(colour: str) -> npt.NDArray[np.float64]:
    return np.asarray([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255.0


def _draw_row(axis: Any, row: StemRow, colour: str) -> None:
    peak = max((float(np.abs(stem.envelope).max(initial=0.0)) for stem in row.stems), default=0.0)
    has_presence = any(stem.presence is not None for stem in row.stems)
    axis.set_ylim(-1.05, _PRESENCE_TOP if has_presence else 1.05)
    axis.set_yticks([])
    axis.set_ylabel(row.track, rotation=0, ha="right", va="bottom", color=_INK)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    for stem in row.stems:
        axis.axvspan(stem.record_start_s, stem.record_end_s, color=colour, alpha=0.09, lw=0)
        for edge_s in (stem.record_start_s, stem.record_end_s):
            axis.axvline(edge_s, color=colour, alpha=0.5, lw=0.8)
        low, high = stem.envelope / max(peak, 1e-6)
        at_s = np.linspace(stem.record_start_s, stem.record_end_s, len(low))
        axis.fill_between(at_s, low, high, color=colour, lw=0.4)
        if stem.presence is not None:
            _draw_presence(axis, stem, stem.presence, colour)
    if has_presence:
        _label_presence(axis)
    # Beside the row, where no waveform runs through it.
    axis.annotate(
        _describe_row(row, peak),
        (0.0, 0.5),
        xycoords="axes fraction",
        xytext=(-7, -4),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=8,
        color=_FAINT,
    )


def _describe_row(row: StemRow, peak: float) -> str:
    """The prompt, in lines that leave room for the picture, and the level."""
    lines = textwrap.wrap(f"“{row.prompt}”", _LABEL_COLUMNS, max_lines=_LABEL_LINES, placeholder=" …”")
    level = f"peak {20 * np.log10(peak):.0f} dBFS" if peak > 0 else "silent"
    return "\n".join([*lines, level])


def _label_presence(axis: Any) -> None:
    """What the ends of the line of presence mean, and from where on a thing counts as seen."""
    span = 0.9 * (_PRESENCE_TOP - _PRESENCE_FOOT)
    axis.axhline(_PRESENCE_FOOT + SEEN * span, color=_QUIET, lw=0.6, ls=(0, (1, 3)))
    for height, meaning in ((_PRESENCE_FOOT, "not seen"), (_PRESENCE_FOOT + span, "seen")):
        axis.annotate(
            meaning,
            (1.0, height),
            xycoords=("axes fraction", "data"),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color=_FAINT,
        )


def _draw_presence(axis: Any, stem: DrawnStem, presence: npt.NDArray[np.float32], colour: str) -> None:
    """A line between _PRESENCE_FOOT (not seen) and _PRESENCE_TOP (seen); a silenced stem is hatched and called so."""
    at_s = np.linspace(stem.record_start_s, stem.record_end_s, len(presence))
    height = _PRESENCE_TOP - _PRESENCE_FOOT
    axis.plot(at_s, _PRESENCE_FOOT + 0.9 * height * presence, color=colour, lw=1.1)
    axis.hlines(_PRESENCE_FOOT, stem.record_start_s, stem.record_end_s, color=colour, lw=0.4, alpha=0.6)
    if stem.is_silenced:
        axis.axvspan(
            stem.record_start_s,
            stem.record_end_s,
            facecolor="none",
            edgecolor=_QUIET,
            hatch="///",
            lw=0,
            alpha=0.35,
        )
        middle_s = (stem.record_start_s + stem.record_end_s) / 2
        axis.text(
            middle_s,
            0.0,
            "not seen: silent",
            ha="center",
            va="center",
            fontsize=8,
            color=_INK,
            bbox=_ON_WHITE,
            clip_on=True,
        )
