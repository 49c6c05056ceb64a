"""Anti-aliased flat shapes, drawn for all frames of a short clip together with numpy.

Coordinates are picture units: x to the right and y down, both 0..1 over the picture whatever its size in pixels. A shape is
a signed distance; its coverage of a pixel is the distance clipped over one pixel, so the same scene can be drawn at 48 or at
480 pixels and looks alike after scaling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float32]
Track: TypeAlias = "npt.NDArray[Any] | float"
"""One number per frame (T,), or one for all frames."""
Colour: TypeAlias = "tuple[float, float, float] | FloatArray"
"""Red, green, blue, each 0..1; or one such triple per frame (T, 3)."""


class Canvas:
    """Frames being painted: `pixels` is float32 (T, H, W, 3), 0..1."""

    def __init__(self, num_frames: int, size_px: int) -> None:
        self.num_frames = num_frames
        self.size_px = size_px
        self.pixels = np.zeros((num_frames, size_px, size_px, 3), np.float32)
        self.centres = ((np.arange(size_px) + 0.5) / size_px).astype(np.float32)

    def track(self, values: Track) -> FloatArray:
        """`values` as float32 (T,)."""
        return np.broadcast_to(np.asarray(values, np.float32), (self.num_frames,))

    def paint(  # noqa: PLR0917 - where, how far, what and how
        self,
        x: FloatArray,
        y: FloatArray,
        reach: float,
        distance: Callable[[FloatArray, FloatArray], FloatArray],
        colour: Colour,
        opacity: Track,
    ) -> None:
        """Blend `colour` where `distance(dx, dy)` (picture units from (x, y), negative inside) says inside."""
        margin = reach + 1.0 / self.size_px
        columns = self._span(x, margin)
        rows = self._span(y, margin)
        if columns.stop <= columns.start or rows.stop <= rows.start:
            return
        dx = self.centres[None, None, columns] - x[:, None, None]
        dy = self.centres[None, rows, None] - y[:, None, None]
        coverage = np.clip(0.5 - distance(dx, dy) * self.size_px, 0.0, 1.0)
        coverage = coverage * self.track(opacity)[:, None, None]
        ink = np.asarray(colour, np.float32)
        ink = ink[:, None, None, :] if ink.ndim == 2 else ink
        region = self.pixels[:, rows, columns]
        region += coverage[..., None] * (ink - region)

    def _span(self, centre: FloatArray, margin: float) -> slice:
        low = int(np.floor((float(centre.min()) - margin) * self.size_px))
        high = int(np.ceil((float(centre.max()) + margin) * self.size_px))
        return slice(max(low, 0), min(high, self.size_px))


@dataclass(frozen=True)
class Pen:
    """Draws on a canvas in the coordinates of one object, whose origin and turn (radians) may change per frame."""

    canvas: Canvas
    x: FloatArray
    y: FloatArray
    unit: float
    turn: FloatArray
    opacity: float = 1.0

    def at(self, x: Track = 0.0, y: Track = 0.0, turn: Track = 0.0) -> Pen:
        """A pen whose origin is (x, y) of this one, turned by `turn`."""
        px, py = self._place(x, y)
        return replace(self, x=px, y=py, turn=self.turn + self.canvas.track(turn))

    def ellipse(
        self,
        x: Track,
        y: Track,
        rx: Track,
        ry: Track,
        colour: Colour,
        *,
        turn: Track = 0.0,
        opacity: Track = 1.0,
        line: float = 0.0,
    ) -> None:
        """A filled ellipse, or its outline `line` thick."""
        a = np.maximum(self.canvas.track(rx) * self.unit, 1e-4)[:, None, None]
        b = np.maximum(self.canvas.track(ry) * self.unit, 1e-4)[:, None, None]
        half_line = line * self.unit / 2

        def distance(dx: FloatArray, dy: FloatArray) -> FloatArray:
            filled = (np.sqrt((dx / a) ** 2 + (dy / b) ** 2) - 1.0) * np.minimum(a, b)
            return np.asarray(filled if line == 0.0 else np.abs(filled) - half_line, np.float32)

        reach = float(max(a.max(), b.max())) + half_line
        self._shape(x, y, turn, reach, distance, colour, opacity)

    def box(
        self,
        x: Track,
        y: Track,
        half_width: Track,
        half_height: Track,
        colour: Colour,
        *,
        turn: Track = 0.0,
        opacity: Track = 1.0,
    ) -> None:
        """A filled rectangle around (x, y)."""
        w = (self.canvas.track(half_width) * self.unit)[:, None, None]
        h = (self.canvas.track(half_height) * self.unit)[:, None, None]

        def distance(dx: FloatArray, dy: FloatArray) -> FloatArray:
            return np.asarray(np.maximum(np.abs(dx) - w, np.abs(dy) - h), np.float32)

        reach = float(np.hypot(w.max(), h.max()))
        self._shape(x, y, turn, reach, distance, colour, opacity)

    def stroke(  # noqa: PLR0917 - two points, a width and a colour
        self,
        x0: Track,
        y0: Track,
        x1: Track,
        y1: Track,
        width: float,
        colour: Colour,
        *,
        opacity: Track = 1.0,
    ) -> None:
        """A straight line with round ends."""
        ax, ay = self._place(x0, y0)
        bx, by = self._place(x1, y1)
        half_x, half_y = (bx - ax)[:, None, None] / 2, (by - ay)[:, None, None] / 2
        squared = half_x**2 + half_y**2 + 1e-9
        radius = width * self.unit / 2

        def distance(dx: FloatArray, dy: FloatArray) -> FloatArray:
            along = np.clip((dx * half_x + dy * half_y) / squared, -1.0, 1.0)
            return np.asarray(np.hypot(dx - along * half_x, dy - along * half_y) - radius, np.float32)

        reach = float(np.sqrt(squared.max())) + radius
        middle_x, middle_y = np.asarray((ax + bx) / 2, np.float32), np.asarray((ay + by) / 2, np.float32)
        self.canvas.paint(middle_x, middle_y, reach, distance, colour, self._faded(opacity))

    def polygon(
        self,
        points: Sequence[tuple[float, float]],
        colour: Colour,
        *,
        x: Track = 0.0,
        y: Track = 0.0,
        turn: Track = 0.0,
        opacity: Track = 1.0,
    ) -> None:
        """A filled convex polygon, its corners given clockwise as seen (y down) around (x, y)."""
        corners = np.asarray(points, np.float32) * self.unit
        edges = np.roll(corners, -1, axis=0) - corners
        normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
        offsets = (normals * corners).sum(axis=1)

        def distance(dx: FloatArray, dy: FloatArray) -> FloatArray:
            outside = np.full(dx.shape[:1] + np.broadcast_shapes(dx.shape, dy.shape)[1:], -np.inf, np.float32)
            for (nx, ny), offset in zip(normals, offsets, strict=True):
                outside = np.maximum(outside, dx * nx + dy * ny - offset)
            return outside

        reach = float(np.linalg.norm(corners, axis=1).max())
        self._shape(x, y, turn, reach, distance, colour, opacity)

    def _shape(  # noqa: PLR0917
        self,
        x: Track,
        y: Track,
        turn: Track,
        reach: float,
        distance: Callable[[FloatArray, FloatArray], FloatArray],
        colour: Colour,
        opacity: Track,
    ) -> None:
        px, py = self._place(x, y)
        angle = self.turn + self.canvas.track(turn)
        cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]

        def turned(dx: FloatArray, dy: FloatArray) -> FloatArray:
            return distance(dx * cos + dy * sin, dy * cos - dx * sin)

        self.canvas.paint(px, py, reach, turned, colour, self._faded(opacity))

    def _place(self, x: Track, y: Track) -> tuple[FloatArray, FloatArray]:
        lx, ly = self.canvas.track(x) * self.unit, self.canvas.track(y) * self.unit
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        return self.x + lx * cos - ly * sin, self.y + lx * sin + ly * cos

    def _faded(self, opacity: Track) -> FloatArray:
        faded: FloatArray = self.canvas.track(opacity) * np.float32(self.opacity)
        return faded
