"""Earlier stems that are made again, because they go on in a longer one and their latents were not kept.

A stretch in a stem is sampled after the stem, in the same call of the engine. A stem that goes on is of another picture range
than what it becomes, and so is made in a call of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from selva_core.base.media import PictureRange
from selva_core.engine import StemRequest, Waveform

RenderStem = Callable[[PictureRange, StemRequest], Waveform]


def make_earlier_stems(request: StemRequest, media: PictureRange, render: RenderStem) -> StemRequest:
    """The request with the latents of every stem that goes on in it; `render` makes those that were not kept.

    An engine without latents needs none: then nothing is made again, and none are in what is returned. Raises what `render`
    raises.
    """
    if request.redo is not None and request.redo.base_latents is None:
        base = make_earlier_stems(request.redo.base, media, render)
        return replace(request, redo=replace(request.redo, base=base))
    if request.extends is not None and request.extends.base_latents is None:
        inner = request.extends.inner_range(media)
        base = make_earlier_stems(request.extends.base, inner, render)
        latents = render(inner, base).latents
        return replace(request, extends=replace(request.extends, base=base, base_latents=latents))
    return request
