"""A folder of images that is put into a watch folder."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.context import CodecContext

from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_render.watch.journal_records import DONE, FAILED, GONE
from selva_render.watch.result_places import load_report
from tests.selva_render.watch.watching import CUES, watching
from tests.support.daemons import StartServer


def test_an_image_sequence_is_rendered_once_when_it_is_whole_and_stays_where_it_is(
    tmp_path: Path, paths: AppPaths, start_server: StartServer
) -> None:
    start_server()
    share, out = tmp_path / "share", tmp_path / "out"
    folder = share / "shot_010"
    folder.mkdir(parents=True)
    (share / "selva.toml").write_text('frame_rate = "24"\n' + CUES)
    frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
    codec = CodecContext.create("png", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = 32, 32, "rgb24", Fraction(1, 24)
    (packet,) = codec.encode(frame)
    with watching(
        share, out, tmp_path / "state", connect=lambda: Client.connect(paths=paths), move_sources=True
    ) as watcher:
        for number in range(1, 49):
            (folder / f"a%.{number:04}.png").write_bytes(bytes(packet))
        watcher.rest()
        assert watcher.states() == {"shot_010/a%%.%04d.png": DONE}, watcher.messages
        assert len(list(folder.iterdir())) == 48
        report = load_report(out / "shot_010" / "a%")
        assert report is not None
        (stem,) = report["result"]["stems"]
        assert stem["duration"] == [2, 1]
        assert report["result"]["frame_rate"] == [24, 1]
        (folder / "a%.0020.png").unlink()
        watcher.rest()
        assert watcher.states() == {"shot_010/a%%.%04d.png": FAILED}
        assert (out / "shot_010" / "failed" / "a%%.%04d.png.failed.txt").is_file()
        for file in list(folder.iterdir()):
            file.unlink()
        watcher.rest()
        assert watcher.states() == {"shot_010/a%%.%04d.png": GONE}
