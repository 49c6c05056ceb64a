"""HDR footage as zimg converts it, which shares no code with us: linear light, BT.709 primaries, reference white as white."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest

from selva_core.video.colour import SdrConverter

HDR_PQ = Path(__file__).parents[1] / "data" / "media" / "hdr_pq.mp4"
ZIMG = "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,zscale=t=iec61966-2-1:m=gbr:r=full,format=gbrp,format=rgb24"


@pytest.fixture
def ffmpeg_with_zimg() -> str:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("there is no ffmpeg: no HDR conversion is judged")
    filters = subprocess.run([ffmpeg, "-filters"], capture_output=True, text=True, check=False).stdout
    if " zscale " not in filters:
        pytest.skip("this ffmpeg has no zscale: no HDR conversion is judged")
    return ffmpeg


def test_pq_is_converted_as_zimg_does(ffmpeg_with_zimg: str) -> None:
    with av.open(str(HDR_PQ)) as container:
        frame = next(container.decode(video=0))
    ours = SdrConverter().convert(frame, is_hd=False).to_ndarray()
    command = [
        ffmpeg_with_zimg,
        "-v",
        "error",
        "-i",
        str(HDR_PQ),
        "-frames:v",
        "1",
        "-vf",
        ZIMG,
        "-f",
        "rawvideo",
        "-",
    ]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    theirs = np.frombuffer(done.stdout, np.uint8).reshape(ours.shape)
    errors = np.abs(ours.astype(int) - theirs.astype(int))
    assert errors.mean() <= 2
    assert ours.max() > 250
