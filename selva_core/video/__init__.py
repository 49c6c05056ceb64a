"""Video files and image sequences as frames on an exact clock.

Names are imported when they are used: finding the files of an image sequence loads neither av nor numpy.
"""

from typing import TYPE_CHECKING

from selva_core.base.lazy_import import lazy_names

if TYPE_CHECKING:
    from selva_core.base.media import ImagePattern
    from selva_core.video.frame_source import FrameSource, open_picture
    from selva_core.video.frames import count_frames, iter_frames, read_frames
    from selva_core.video.probe import probe_media
    from selva_core.video.proxy import write_proxy
    from selva_core.video.sequence_files import SequenceFiles, find_images

__all__ = [
    "FrameSource",
    "ImagePattern",
    "SequenceFiles",
    "count_frames",
    "find_images",
    "iter_frames",
    "open_picture",
    "probe_media",
    "read_frames",
    "write_proxy",
]

__getattr__ = lazy_names(
    __name__,
    {
        "FrameSource": "selva_core.video.frame_source",
        "ImagePattern": "selva_core.base.media",
        "SequenceFiles": "selva_core.video.sequence_files",
        "count_frames": "selva_core.video.frames",
        "find_images": "selva_core.video.sequence_files",
        "iter_frames": "selva_core.video.frames",
        "open_picture": "selva_core.video.frame_source",
        "probe_media": "selva_core.video.probe",
        "read_frames": "selva_core.video.frames",
        "write_proxy": "selva_core.video.proxy",
    },
)
