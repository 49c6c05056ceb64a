"""The media of a cut as the page gets it: the file itself where a browser plays it, else a proxy, and strips of thumbnails.

What is made lies in the cache, is named after what it was made of, and the oldest goes first when the cache is full.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from selva_core.base.errors import SelvaError
from selva_core.base.media import PictureRange
from selva_core.base.paths import ensure_folder
from selva_core.base.rational import to_pair
from selva_core.video.sequence_files import find_images
from selva_daemon.protocol.picture import picture_to_wire
from selva_panel.errors import NotThereError, PanelRequestError
from selva_panel.media.flat_cut import list_picture_parts, list_sound_parts
from selva_panel.media.worker import MediaWorker
from selva_panel.timeline.cut import Cut, MediaFile
from selva_render.jobs import build_picture_range

MAX_STRIP_FRAMES = 60
MAX_STRIP_WIDTH_PX = 480
MAX_CACHE_BYTES = 4 * 1024**3
_MARGIN_S = Fraction(1)
"""Of picture before and after what is shown of a file, for looking past a cut."""
_VERSION = 1
"""Of the files in the cache; one more when they are made in another way."""


@dataclass(frozen=True, kw_only=True)
class MediaStatus:
    """state: "ready", "making" or "failed". offset_s: where what is served begins, on the clock of the file."""

    state: str
    done: float = 0.0
    mime: str = "video/mp4"
    is_proxy: bool = False
    rate_hz: Fraction | None = None
    offset_s: Fraction = Fraction(0)
    file: Path | None = None
    message: str = ""
    code: str = ""

    def to_json(self) -> dict[str, object]:
        return {
            "state": self.state,
            "done": self.done,
            "mime": self.mime,
            "proxy": self.is_proxy,
            "rate": None if self.rate_hz is None else list(to_pair(self.rate_hz)),
            "offset": list(to_pair(self.offset_s)),
            "message": self.message,
            "code": self.code,
        }


class MediaLibrary:
    """Makes and finds what the page shows of a cut. Its methods wait, and are called from threads; `close` ends it."""

    def __init__(
        self, cut: Cut, cache: Path, *, on_change: Callable[[str], None] = lambda media_id: None
    ) -> None:
        self._cut = cut
        self._cache = cache
        self._on_change = on_change
        self._strips, self._proxies = MediaWorker(), MediaWorker()
        # Looking into a file takes milliseconds and must not wait for the proxy of a long one.
        self._look_pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="panel-look")
        self._proxy_pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="panel-proxy")
        self._lock = threading.Lock()
        self._status: dict[str, MediaStatus] = {}

    def close(self) -> None:
        pools = (self._look_pool, self._proxy_pool)
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
        self._strips.close()
        self._proxies.close()
        for pool in pools:
            pool.shutdown(wait=True)

    def status(self, media_id: str) -> MediaStatus:
        """How far a file is; one that is not looked into yet is begun. Raises NotThereError."""
        media = self._find(media_id)
        with self._lock:
            if media_id not in self._status:
                self._status[media_id] = MediaStatus(state="making")
                self._look_pool.submit(self._look_into, media)
            return self._status[media_id]

    def strip(self, clip_id: str, *, width_px: int, count: int) -> Path:
        """A JPEG file of `count` pictures of a clip side by side. Raises NotThereError, PanelRequestError, MediaError."""
        clip = next((clip for clip in self._cut.clips if clip.id == clip_id), None)
        if clip is None or clip.spotted is None:
            raise NotThereError("there is no clip with a picture of that id")
        if not (1 <= count <= MAX_STRIP_FRAMES and 8 <= width_px <= MAX_STRIP_WIDTH_PX):
            raise PanelRequestError(
                f"a strip has 1 to {MAX_STRIP_FRAMES} pictures of 8 to {MAX_STRIP_WIDTH_PX} pixels; got {count} of {width_px}"
            )
        picture = build_picture_range(clip.spotted)
        target = self._target(picture, "strip", width_px, count, suffix=".jpg")
        if not target.exists():
            task = {
                "task": "strip",
                "picture": picture_to_wire(picture),
                "count": count,
                "width": width_px,
                "target": str(target),
            }
            self._strips.perform(task, reading=picture.path)
        return target

    def production_sound(self) -> Path:
        """The cut's own sound as a WAV file, made when it is first asked for. Raises NotThereError where it has none."""
        parts = list_sound_parts(self._cut)
        duration_s = self._cut.duration_frames / self._cut.clock.frame_rate_hz
        target = self._target_of("sound", parts, duration_s, suffix=".wav")
        if parts and not target.exists():
            task = {"task": "sound", "parts": parts, "duration_s": str(duration_s), "target": str(target)}
            self._proxies.perform(task, reading=Path(parts[0]["path"]))
        if not target.exists():
            raise NotThereError("the cut has no sound of its own")
        return target

    def flat_movie(self) -> Path:
        """The whole cut as one small movie. Raises MediaError, OutputError."""
        parts = list_picture_parts(self._cut)
        rate_hz = self._cut.clock.frame_rate_hz
        target = self._target_of("flat", parts, rate_hz, suffix=".mp4")
        if not target.exists():
            task = {"task": "flat", "parts": parts, "rate_hz": str(rate_hz), "target": str(target)}
            self._proxies.perform(task, reading=Path(self._cut.name))
            remove_oldest(self._cache, MAX_CACHE_BYTES, keep=target)
        return target

    def _find(self, media_id: str) -> MediaFile:
        if media_id not in self._cut.media:
            raise NotThereError("there is no media of that id")
        return self._cut.media[media_id]

    def _look_into(self, media: MediaFile) -> None:
        """See whether a browser plays a file, and else have a proxy of it made."""
        try:
            status = self._inspect(media)
        except SelvaError as error:
            status = MediaStatus(state="failed", message=error.message, code=error.code)
        self._set(media.id, status)
        if status.state == "making":
            with suppress(RuntimeError):  # the panel is closing
                self._proxy_pool.submit(self._prepare_proxy, media, status)

    def _prepare_proxy(self, media: MediaFile, status: MediaStatus) -> None:
        try:
            self._set(media.id, self._make_proxy(media, status))
        except SelvaError as error:
            self._set(media.id, MediaStatus(state="failed", message=error.message, code=error.code))

    def _inspect(self, media: MediaFile) -> MediaStatus:
        if media.images is not None:
            return MediaStatus(state="making", is_proxy=True, rate_hz=media.images.rate_hz)
        found = self._strips.perform({"task": "inspect", "path": str(media.path)}, reading=media.path)
        rate_hz = Fraction(found["rate_hz"])
        if not found["is_played"]:
            return MediaStatus(state="making", is_proxy=True, rate_hz=rate_hz)
        return MediaStatus(state="ready", done=1.0, mime=found["mime"], rate_hz=rate_hz, file=media.path)

    def _make_proxy(self, media: MediaFile, status: MediaStatus) -> MediaStatus:
        start_s = max(media.start_s - _MARGIN_S, Fraction(0))
        picture = PictureRange(
            path=media.path.resolve(),
            start_s=start_s.limit_denominator(10**6),
            duration_s=(media.end_s - start_s).limit_denominator(10**6) or Fraction(1, 25),
            images=media.images,
        )
        target = self._target(picture, "proxy", suffix=".mp4")
        if not target.exists():
            self._set(media.id, status)
            task = {
                "task": "proxy",
                "picture": picture_to_wire(picture),
                "rate_hz": str(status.rate_hz),
                "target": str(target),
            }
            self._proxies.perform(
                task,
                reading=media.path,
                on_progress=lambda done: self._set(media.id, replace(status, done=done)),
            )
            remove_oldest(self._cache, MAX_CACHE_BYTES, keep=target)
        with suppress(OSError):
            os.utime(target)  # the time of its last use
        return replace(status, state="ready", done=1.0, offset_s=picture.start_s, file=target)

    def _set(self, media_id: str, status: MediaStatus) -> None:
        with self._lock:
            self._status[media_id] = status
        self._on_change(media_id)

    def _target(self, picture: PictureRange, *identity: object, suffix: str) -> Path:
        """A name in the cache that changes with the range, with the files' sizes and times, and with how it is made."""
        return self._target_of(picture, _stamp_of(picture), *identity, suffix=suffix)

    def _target_of(self, *identity: object, suffix: str) -> Path:
        ensure_folder(self._cache)
        text = "\n".join(map(str, (_VERSION, *identity)))
        return (
            self._cache
            / f"{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}{suffix}"
        )


def _stamp_of(picture: PictureRange) -> str:
    files = [picture.path]
    if picture.images is not None:
        found = find_images(picture.path, picture.images)
        files = [found.pattern.file(number) for number in found.present]
    stamps = []
    for file in files:
        try:
            status = file.stat()
        except OSError as exc:
            raise NotThereError(
                f"{file.name} cannot be read: {exc.strerror or exc}; relink the clip"
            ) from exc
        stamps.append(f"{status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(stamps).encode()).hexdigest()


def remove_oldest(folder: Path, max_bytes: int, *, keep: Path) -> None:
    """Remove the files that were used longest ago until the folder holds no more than `max_bytes`; `keep` stays."""
    files = []
    for file in folder.iterdir():
        with suppress(OSError):
            status = file.stat()
            files.append((status.st_mtime_ns, status.st_size, file))
    total = sum(size for _, size, _ in files)
    for _, size, file in sorted(files):
        if total <= max_bytes:
            return
        if file != keep:
            with suppress(OSError):  # open in a page on Windows; the next time is soon enough
                file.unlink()
                total -= size
