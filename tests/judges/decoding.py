"""Movies that melt rendered, as levels and samples."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np


def decode(movie: Path) -> tuple[list[float], np.ndarray]:
    """The brightness of each frame, and the left side of the sound."""
    with av.open(str(movie)) as container:
        levels = [float(frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)]
    with av.open(str(movie)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    sound = np.concatenate([block.reshape(-1, 2)[:, 0] for block in blocks])
    return levels, sound / 2**15
