"""What an engine sees of a picture range, as one small file: enough to render it on a machine that has no access to the media.

The file holds the very frames that the engine of that model would read from the media, so that a stem has the same bytes
wherever it is rendered. It loads no network and no weights.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from selva_core.base.media import PictureRange
from selva_core.engines.registry import import_loader
from selva_core.models.catalog import find_model


def small_picture_suffix(model_id: str) -> str:
    """How the name of such a file ends. Raises UnknownModelError."""
    return ".lumas" if find_model(model_id).spec is None else ".mp4"


def write_small_picture(
    picture: PictureRange, target: Path, *, model_id: str, check: Callable[[], None] = lambda: None
) -> None:
    """Write what the engine of a model sees of a range; `check` may raise to stop.

    Raises MediaError, OutputError, UnknownModelError, InstallationBrokenError.
    """
    spec = find_model(model_id).spec
    if spec is None:
        import_loader("selva_core.engines.echo").write_lumas(picture, target, check=check)
    else:
        import_loader("selva_core.video.proxy").write_proxy(
            picture, target, size_px=spec.video_encoder.frame_size_px, check=check
        )


def small_range(file: Path, duration_s: Fraction) -> PictureRange:
    """The range to render in place of one of this duration: the file begins with it, and is retimed already."""
    return PictureRange(path=file, start_s=Fraction(0), duration_s=duration_s)
