"""The gfx window: records what a script draws, has a mouse, and can be saved as a picture."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

_KEY_CLOSED = -1
_BOLD = ord("b")
_SHIFT = 8

# What gfx.getchar answers for keys that are no letters.
KEYS = {
    "escape": 27,
    "tab": 9,
    "enter": 13,
    "left": 1_818_584_692,
    "right": 1_919_379_572,
    "up": 30_064,
    "down": 1_685_026_670,
    "page up": 1_885_828_464,
    "page down": 1_885_824_110,
}


@dataclass(frozen=True)
class Stroke:
    """One thing drawn: `kind` is rect or text; colour is 0..255; text has `size` and `is_bold`."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    colour: tuple[int, int, int]
    text: str = ""
    size: int = 0
    is_bold: bool = False


@lru_cache(maxsize=32)
def load_font(size: int, is_bold: bool) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if is_bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(_font_folder() / name), size - 2)


@lru_cache(maxsize=4096)
def _width(text: str, size: int, is_bold: bool) -> float:
    return float(load_font(size, is_bold).getlength(text))


@lru_cache(maxsize=1)
def _font_folder() -> Path:
    """The fonts that come with matplotlib, without loading it."""
    spec = importlib.util.find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"


class Canvas:
    """One window. `strokes` is the last whole frame."""

    def __init__(self) -> None:
        self.title: str | None = None
        self.strokes: list[Stroke] = []
        self._frame: list[Stroke] = []
        self._keys: list[int] = []
        self._click: tuple[float, float] | None = None
        self._modifiers = 0
        self._font: tuple[int, bool] = (12, False)
        self._get: Callable[[bytes], Any] = lambda name: 0.0
        self._set: Callable[[bytes, Any], None] = lambda name, value: None

    # What tests do ------------------------------------------------------------------------------------------------------

    def texts(self) -> list[str]:
        return [stroke.text for stroke in self.strokes if stroke.kind == "text"]

    def says(self, text: str) -> bool:
        """Whether the window shows this text, line breaks aside."""
        return text in " ".join(self.texts())

    def click(self, label: str) -> None:
        """Press and release the mouse on a button during the next tick."""
        stroke = next(stroke for stroke in self.strokes if stroke.kind == "text" and stroke.text == label)
        self._click = (stroke.x + stroke.width / 2, stroke.y + stroke.height / 2)

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key during the next tick: one of KEYS, or a letter."""
        self._keys.append(KEYS[key] if key in KEYS else ord(key))
        self._modifiers = _SHIFT if shift else 0

    def close(self) -> None:
        """The user closes the window by its own button."""
        self._keys.append(_KEY_CLOSED)

    def scroll(self, amount: float) -> None:
        """Turn the mouse wheel; negative is down."""
        self._set(b"mouse_wheel", float(amount))

    def save(self, path: Path) -> None:
        """A picture of the last whole frame."""
        width, height = int(self._get(b"w")), int(self._get(b"h"))
        image = Image.new("RGB", (width, height))
        draw = ImageDraw.Draw(image)
        for stroke in self.strokes:
            if stroke.kind == "rect":
                corner = (stroke.x + stroke.width - 1, stroke.y + stroke.height - 1)
                if stroke.width >= 1 and stroke.height >= 1:
                    draw.rectangle(((stroke.x, stroke.y), corner), fill=stroke.colour)
            else:
                draw.text(
                    (stroke.x, stroke.y),
                    stroke.text,
                    fill=stroke.colour,
                    font=load_font(stroke.size, stroke.is_bold),
                )
        image.save(path)

    # What the world does --------------------------------------------------------------------------------------------------

    def attach(self, get: Callable[[bytes], Any], put: Callable[[bytes, Any], None]) -> None:
        self._get, self._set = get, put

    def begin_tick(self) -> None:
        x, y = self._click or (-1.0, -1.0)
        self._set(b"mouse_x", x)
        self._set(b"mouse_y", y)
        self._set(b"mouse_cap", float((1 if self._click else 0) | self._modifiers))

    def end_tick(self) -> None:
        self._click = None
        self._modifiers = 0

    def call(self, name: str, arguments: list[Any]) -> Any:
        """A gfx function; raises RuntimeError for what needs a window when there is none."""
        if name != "init" and self.title is None:
            if name in ("quit", "getchar"):
                return -1 if name == "getchar" else None
            raise RuntimeError("there is no window; call gfx.init first")
        return getattr(self, f"call_{name}")(*arguments)

    # What scripts call ----------------------------------------------------------------------------------------------------

    def call_init(self, title: str, width: float = 640, height: float = 480, *place: float) -> int:
        self.title = title
        self._set(b"w", float(width))
        self._set(b"h", float(height))
        return 1

    def call_quit(self) -> None:
        self.title = None
        self.strokes = []

    def call_update(self) -> None:
        self.strokes, self._frame = self._frame, []

    def call_getchar(self, key: float | None = None) -> float:
        return float(self._keys.pop(0)) if self._keys else 0.0

    def _colour(self) -> tuple[int, int, int]:
        red, green, blue = (min(255, max(0, round(self._get(name) * 255))) for name in (b"r", b"g", b"b"))
        return red, green, blue

    def call_set(
        self, red: float, green: float | None = None, blue: float | None = None, alpha: float | None = None
    ) -> None:
        self._set(b"r", red)
        self._set(b"g", red if green is None else green)
        self._set(b"b", red if blue is None else blue)
        self._set(b"a", 1.0 if alpha is None else alpha)

    def call_setfont(
        self, index: float, face: bytes | None = None, size: float = 12, flags: float = 0
    ) -> int:
        self._font = (int(size), int(flags) == _BOLD)
        self._set(b"texth", float(size))
        return 1

    def call_measurestr(self, text: str) -> tuple[float, float]:
        size, is_bold = self._font
        return _width(text, size, is_bold), float(size)

    def call_drawstr(
        self, text: str, flags: float = 0, right: float | None = None, bottom: float | None = None
    ) -> None:
        width, height = self.call_measurestr(text)
        size, is_bold = self._font
        x, y = float(self._get(b"x")), float(self._get(b"y"))
        self._frame.append(Stroke("text", x, y, width, height, self._colour(), text, size, is_bold))
        self._set(b"x", x + width)

    def call_rect(self, x: float, y: float, width: float, height: float, filled: float = 1) -> None:
        self._frame.append(Stroke("rect", x, y, width, height, self._colour()))
