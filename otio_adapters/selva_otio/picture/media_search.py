"""Where the media of a timeline is, for timelines that come from another machine: a look-up that never changes the timeline.

Media that is where its URL says is used as it is. Otherwise files of its name are looked for in folders that the user names.
Of several, the file that shares the longest end of its path with the URL is meant; among equals, the one whose embedded timecode
the clip counts from; otherwise none is taken, and the reason names the candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_core.base.media import MediaInfo
from selva_otio.errors import MediaChoiceError, TimelineError
from selva_otio.picture.image_names import parse_image_pattern
from selva_otio.picture.media import build_media_url, resolve_media_path, split_url_path
from selva_otio.picture.media_folders import MAX_FILES, MediaFolders, keep_longest_common_tail
from selva_otio.picture.media_probe import ProbeMedia, media_start_s
from selva_otio.time.clock import exact_seconds

_SHOWN = 3
_TOLERANCE_S = 5
_LABEL_DRIFT = Fraction(2, 1000)
"""Between systems that count 29.97 and 23.976 labels as 30 and 24 a second, and those that count real time: 1 in 1001."""


class MediaLookup:
    """Finds the media of one timeline; the answers are kept, so that a file is probed once.

    base_folder: where relative media URLs start. folders: searched for media that is not at its URL. probe: reads the embedded
    timecode of media; without it, files that only their timecode tells apart are not told apart.
    """

    def __init__(
        self, *, base_folder: Path, folders: Sequence[Path] = (), probe: ProbeMedia | None = None
    ) -> None:
        self.base_folder = base_folder
        self._folders = folders
        self._probe = probe
        self._media_folders: MediaFolders | None = None
        self._infos: dict[Path, MediaInfo | None] = {}
        self._found: dict[tuple[str, Fraction], Path | MediaChoiceError] = {}
        self._found_by_name: dict[str, Path] = {}
        self._resolved: dict[str, Path] = {}

    @property
    def warnings(self) -> list[str]:
        """Sentences for the user about what was found so far."""
        sentences = []
        if self._found_by_name:
            shown = [f"{url} at {path}" for url, path in self._found_by_name.items()]
            more = [f"and {len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else []
            sentences.append(
                "media found by its file name alone, in a folder with another name than the timeline says; "
                f"check that it is the right one: {'; '.join([*shown[:_SHOWN], *more])}"
            )
        if self._media_folders is not None and self._media_folders.is_cut_off:
            sentences.append(
                f"only the first {MAX_FILES} files of the folders of --media-dir were looked at; "
                "name a folder nearer to the media"
            )
        return sentences

    def find_file(self, clip: otio.schema.Clip) -> Path:
        """The absolute path of a clip's active media, which need not exist.

        Raises UnsupportedUrlError; MediaChoiceError where files of its name were found and none can be taken.
        """
        return self._find(clip.media_reference, clip.trimmed_range)

    def find_file_or_none(self, clip: otio.schema.Clip) -> Path | None:
        """The same; None for generators, missing media, and where `find_file` raises."""
        reference = clip.media_reference
        if (
            not isinstance(reference, otio.schema.ExternalReference)
            or not (reference.target_url or "").strip()
        ):
            return None
        try:
            return self.find_file(clip)
        except TimelineError:
            return None

    def find_images(self, pattern: Path) -> Path:
        """The path of an image sequence, with its number as %04d: in the folder it names or in one that was found.

        Raises MediaChoiceError where several folders have it.
        """
        key = str(pattern), Fraction(0)
        if not self._folders or pattern.parent.is_dir():
            return pattern
        if key not in self._found:
            self._found[key] = self._look_for_images(pattern)
        return self._get(key)

    def point_to_files(self, timeline: otio.schema.Timeline) -> None:
        """Write the URLs of what was found into a timeline, in place: for files that hold their media themselves."""
        for clip in timeline.find_clips():
            references = {key: reference.clone() for key, reference in clip.media_references().items()}
            relinked = [self._relink(reference, clip.trimmed_range) for reference in references.values()]
            if any(relinked):
                clip.set_media_references(references, clip.active_media_reference_key)

    def _relink(
        self, reference: otio.core.MediaReference, used_range: Callable[[], otio.opentime.TimeRange]
    ) -> bool:
        if not isinstance(reference, otio.schema.ExternalReference):
            return False
        url = reference.target_url or ""
        try:
            found = self._find(reference, used_range) if url.strip() else None
            if found is None or not found.exists() or found == resolve_media_path(url, self.base_folder):
                return False
        except TimelineError:
            return False
        reference.target_url = build_media_url(found)
        return True

    def _find(
        self,
        reference: otio.schema.ExternalReference,
        used_range: Callable[[], otio.opentime.TimeRange],
    ) -> Path:
        url = reference.target_url
        path = self._resolved.get(url)
        if path is None:
            path = self._resolved[url] = resolve_media_path(url, self.base_folder)
        if not self._folders or path.exists():
            return path
        start_s = exact_seconds((reference.available_range or used_range()).start_time)
        key = url, start_s
        if key not in self._found:
            self._found[key] = self._look_for(url, path, start_s)
        return self._get(key)

    def _get(self, key: tuple[str, Fraction]) -> Path:
        found = self._found[key]
        if isinstance(found, MediaChoiceError):
            raise found
        return found

    def _look_for(self, url: str, path: Path, start_s: Fraction) -> Path | MediaChoiceError:
        """The file that a URL means; `path`, which does not exist, where no file has its name."""
        parts = split_url_path(url)
        candidates, num_common = keep_longest_common_tail(
            self._index().find_file(parts[-1]) if parts else [], url
        )
        if not candidates:
            return path
        fitting = (
            candidates if len(candidates) == 1 and num_common > 1 else self._fit_timecode(candidates, start_s)
        )
        if len(fitting) == 1:
            if num_common == 1 < len(parts) and len(candidates) == 1:
                self._found_by_name.setdefault(url, fitting[0])
            return fitting[0]
        if not fitting:
            return MediaChoiceError(
                f"{_list(candidates)} {'has' if len(candidates) == 1 else 'have'} the name of {url}, but not the timecode "
                "that the clip is cut from; give the folder of the right media with --media-dir",
                paths=[str(path) for path in candidates],
            )
        return _refuse(url, fitting)

    def _look_for_images(self, pattern: Path) -> Path | MediaChoiceError:
        name = parse_image_pattern(pattern.name)
        folders = [] if name is None else self._index().find_images(name)
        fitting, num_common = keep_longest_common_tail(folders, pattern.parent.as_posix())
        if len(fitting) > 1:
            return _refuse(str(pattern), fitting)
        if not fitting:
            return pattern
        if not num_common:
            self._found_by_name.setdefault(str(pattern), fitting[0])
        return fitting[0] / pattern.name

    def _fit_timecode(self, candidates: Sequence[Path], start_s: Fraction) -> list[Path]:
        """The candidates that may be meant by a clip whose media begins at `start_s` on its clock.

        A clock that begins at zero says nothing: many programs count from the first frame, whatever the timecode.
        """
        starts_s = {path: self._timecode_s(path) for path in candidates} if start_s and self._probe else {}
        exact = [
            path for path, begin_s in starts_s.items() if begin_s is not None and _is_near(begin_s, start_s)
        ]
        if exact:
            return exact
        around = [path for path in starts_s if self._contains(path, start_s)]
        if around:
            return around
        return [path for path in candidates if starts_s.get(path) is None]

    def _contains(self, path: Path, start_s: Fraction) -> bool:
        begin_s, info = self._timecode_s(path), self._infos.get(path)
        if begin_s is None or info is None:
            return False
        slack_s = _TOLERANCE_S + _LABEL_DRIFT * start_s
        return begin_s - slack_s <= start_s <= begin_s + info.duration_s + slack_s

    def _timecode_s(self, path: Path) -> Fraction | None:
        """Seconds since midnight that a file's timecode begins at; None without one."""
        if path not in self._infos:
            self._infos[path] = None if self._probe is None else self._probe(path)
        info = self._infos[path]
        return None if info is None or not info.timecode else media_start_s(info)

    def _index(self) -> MediaFolders:
        if self._media_folders is None:
            self._media_folders = MediaFolders(self._folders)
        return self._media_folders


def _is_near(begin_s: Fraction, start_s: Fraction) -> bool:
    return abs(begin_s - start_s) <= Fraction(1, 20)


def _refuse(wanted: str, candidates: Sequence[Path]) -> MediaChoiceError:
    return MediaChoiceError(
        f"{_list(candidates)} may each be {wanted}, and neither their folders nor their timecode tell them apart; "
        "give the folder of the right one with --media-dir",
        paths=[str(path) for path in candidates],
    )


def _list(paths: Sequence[Path]) -> str:
    def iter_shown() -> Iterator[str]:
        yield from map(str, paths[:_SHOWN])
        if len(paths) > _SHOWN:
            yield f"{len(paths) - _SHOWN} more"

    *most, last = iter_shown()
    return f"{', '.join(most)} and {last}" if most else last
