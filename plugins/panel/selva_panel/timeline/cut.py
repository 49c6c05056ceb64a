"""The cut that a panel is open for: the clips that a viewer sees, each with the media behind it, and its markers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import platformdirs

from selva_core.base.errors import SelvaError
from selva_core.base.limits import DEFAULT_SAMPLE_RATE_HZ
from selva_core.base.media import ImageSequence
from selva_otio import CueSheet, SpotOptions, SpottedClip, StemTrack, TimelineClock, spot_timeline
from selva_otio.errors import CueError, NothingToSpotError
from selva_otio.formats.options import ReadOptions
from selva_otio.formats.profiles import PLAIN, HostProfile
from selva_otio.picture.image_names import parse_image_name
from selva_otio.picture.media import PICTURE_SUFFIXES
from selva_otio.picture.media_search import MediaLookup
from selva_otio.picture.shots import SkippedItem
from selva_otio.placement.stem_names import fold_name
from selva_otio.time.clock import frame_index
from selva_otio.timelines import open_timeline
from selva_panel.timeline.markers import CutMarker, find_markers
from selva_render.media import open_media_timeline, probe_or_none
from selva_render.options import check_stems_folder, default_stems_folder
from selva_render.render import find_media_error

_EVERY_CLIP = StemTrack(name="picture", prompt="picture")
_ID_CHARS = 12


@dataclass(frozen=True, kw_only=True)
class PanelClip:
    """A clip as a viewer sees it. spotted: None where it cannot be rendered; `problem` then says why, for the user."""

    id: str
    name: str
    track: str
    start_frames: int
    duration_frames: int
    spotted: SpottedClip | None
    problem: str | None = None
    problem_code: str = ""


@dataclass(frozen=True, kw_only=True)
class MediaFile:
    """A file or image sequence that clips are cut from, and the part of it that they show, in seconds of its own clock."""

    id: str
    path: Path
    images: ImageSequence | None
    start_s: Fraction
    end_s: Fraction


@dataclass(kw_only=True)
class Cut:
    """An open cut; `close` removes the media that was unpacked from a bundle.

    source: "file", "video", or the name of a host. scope: "timeline", "selection" or "marks". marked: the cue sheet of the
    cut's own markers and metadata, None where it has none. identity: the same for the same cut, whenever it is opened.
    host_stems_folder: where the host keeps stems; None for a cut that is a file. profile: of the host that the stems are for.
    can_be_saved: whether record times are those of `timeline`, so that it can be written with the stems.
    """

    name: str
    path: Path | None
    timeline: otio.schema.Timeline
    clock: TimelineClock
    base_folder: Path
    clips: tuple[PanelClip, ...]
    lookup: MediaLookup | None = None
    marked: CueSheet | None = None
    identity: str = ""
    source: str = "file"
    scope: str = "timeline"
    skipped: tuple[SkippedItem, ...] = ()
    markers: tuple[CutMarker, ...] = ()
    notices: tuple[str, ...] = ()
    host_stems_folder: Path | None = None
    sample_rate_hz: int = DEFAULT_SAMPLE_RATE_HZ
    profile: HostProfile = PLAIN
    can_be_saved: bool = True
    media: Mapping[str, MediaFile] = field(default_factory=dict)
    media_by_clip: Mapping[str, str] = field(default_factory=dict)
    _resources: ExitStack = field(default_factory=ExitStack)

    @property
    def timeline_name(self) -> str:
        """As `selva render` and `selva stems` write it into stems."""
        return self.path.name if self.source == "video" and self.path is not None else self.timeline.name

    def stems_folder(self) -> Path:
        """Where stems go: beside the cut as `selva render` puts them, or, where that cannot be written, among your videos."""
        fallback = (
            Path(platformdirs.user_videos_path())
            / "Selva"
            / fold_name(self.name, max_chars=60, fallback="cut")
        )
        if self.path is None:
            return self.host_stems_folder or fallback
        folder = default_stems_folder(self.path)
        try:
            check_stems_folder(folder)
        except SelvaError:
            return fallback
        return folder

    def close(self) -> None:
        self._resources.close()

    @property
    def duration_frames(self) -> int:
        return max((clip.start_frames + clip.duration_frames for clip in self.clips), default=0)


def open_cut(path: Path, *, read_options: ReadOptions | None = None) -> Cut:
    """Open a timeline of any format, or a media file as a cut of one clip. Raises TimelineError, MediaError."""
    if path.suffix.lower() in PICTURE_SUFFIXES or parse_image_name(path.name) is not None:
        opened = open_media_timeline(path)
        return build_cut(
            opened.timeline,
            name=path.stem,
            path=path,
            base_folder=opened.path.parent,
            clock=opened.clock,
            source="video",
        )
    resources = ExitStack()
    try:
        timeline = resources.enter_context(
            open_timeline(path, read_options or ReadOptions(probe=probe_or_none))
        )
        return build_cut(
            timeline.timeline,
            name=timeline.timeline.name or path.stem,
            path=path,
            base_folder=timeline.base_folder,
            lookup=timeline.media,
            resources=resources,
        )
    except BaseException:
        resources.close()
        raise


def build_cut(
    timeline: otio.schema.Timeline,
    *,
    name: str,
    path: Path | None,
    base_folder: Path,
    clock: TimelineClock | None = None,
    lookup: MediaLookup | None = None,
    source: str = "file",
    scope: str = "timeline",
    resources: ExitStack | None = None,
) -> Cut:
    """The cut of a timeline that is in memory. Raises TimelineError where no clip has a picture."""
    sheet = spot_timeline(
        timeline,
        [_EVERY_CLIP],
        base_folder=base_folder,
        options=SpotOptions(use_markers=False, use_metadata=False),
        clock=clock,
        media=lookup,
    )
    clips = tuple(iter_clips(sheet))
    media, media_by_clip = collect_media(clips)
    return Cut(
        name=name,
        path=None if path is None else path.absolute(),
        identity=str(name if path is None else path.absolute()),
        timeline=timeline,
        clock=sheet.clock,
        base_folder=base_folder,
        clips=clips,
        lookup=lookup,
        marked=_spot_own_cues(timeline, base_folder, clock, lookup),
        source=source,
        scope=scope,
        skipped=sheet.skipped,
        markers=find_markers(timeline, sheet.clock),
        media=media,
        media_by_clip=media_by_clip,
        _resources=resources or ExitStack(),
    )


def build_cut_of_sheet(
    sheet: CueSheet,
    *,
    timeline: otio.schema.Timeline,
    name: str,
    identity: str,
    source: str,
    scope: str,
    marked: CueSheet | None,
    markers: tuple[CutMarker, ...],
    notices: tuple[str, ...],
    stems_folder: Path | None,
    sample_rate_hz: int,
    profile: HostProfile = PLAIN,
    can_be_saved: bool = True,
) -> Cut:
    """The cut that a host's adapter has spotted. sheet: with one cue for each clip."""
    clips = tuple(iter_clips(sheet))
    media, media_by_clip = collect_media(clips)
    return Cut(
        name=name,
        path=None,
        identity=identity,
        timeline=timeline,
        clock=sheet.clock,
        base_folder=Path(),
        clips=clips,
        marked=marked,
        source=source,
        scope=scope,
        skipped=sheet.skipped,
        markers=markers,
        notices=notices,
        host_stems_folder=stems_folder,
        sample_rate_hz=sample_rate_hz,
        profile=profile,
        can_be_saved=can_be_saved,
        media=media,
        media_by_clip=media_by_clip,
    )


def _spot_own_cues(
    timeline: otio.schema.Timeline, base_folder: Path, clock: TimelineClock | None, lookup: MediaLookup | None
) -> CueSheet | None:
    try:
        return spot_timeline(timeline, base_folder=base_folder, clock=clock, media=lookup)
    except (CueError, NothingToSpotError):
        return None


def iter_clips(sheet: CueSheet) -> Iterator[PanelClip]:
    """The clips of a cue sheet that names every clip, and the items that should have had sound and cannot."""
    rate_hz = sheet.clock.frame_rate_hz
    ids: dict[str, int] = {}
    errors: dict[tuple[Path, ImageSequence | None], SelvaError | None] = {}
    for clip in sheet.clips:
        picture = clip.picture_path, clip.picture_images
        if picture not in errors:
            errors[picture] = find_media_error(*picture)
        error = errors[picture]
        start = frame_index(clip.record_start_s, rate_hz)
        yield PanelClip(
            id=_number(
                ids,
                _digest(
                    clip.video_track, clip.media_path.name, clip.media_start_s, clip.duration_s, clip.speed
                ),
            ),
            name=clip.name,
            track=clip.video_track,
            start_frames=start,
            duration_frames=max(frame_index(clip.record_end_s, rate_hz) - start, 1),
            spotted=None if error is not None else clip,
            problem="; ".join(clip.warnings) or None if error is None else error.message,
            problem_code=("clip-warning" if clip.warnings else "") if error is None else error.code,
        )
    for item in sheet.skipped:
        if item.is_fault:
            yield PanelClip(
                id=_number(ids, _digest(item.track_name, item.name, item.record_start_s)),
                name=item.name,
                track=item.track_name,
                start_frames=frame_index(item.record_start_s, rate_hz),
                duration_frames=1,
                spotted=None,
                problem=item.reason,
                problem_code="clip-problem",
            )


def collect_media(clips: Sequence[PanelClip]) -> tuple[dict[str, MediaFile], dict[str, str]]:
    """The files that clips show, each with the union of what they show of it, and the file of each clip."""
    media: dict[str, MediaFile] = {}
    by_clip: dict[str, str] = {}
    for clip in clips:
        spotted = clip.spotted
        if spotted is None:
            continue
        media_id = _digest(spotted.picture_path, spotted.picture_images)
        edges_s = (
            spotted.picture_start_s,
            spotted.picture_start_s + spotted.picture_speed * spotted.sound_duration_s,
        )
        known = media.get(media_id)
        media[media_id] = MediaFile(
            id=media_id,
            path=spotted.picture_path,
            images=spotted.picture_images,
            start_s=min(*edges_s, *(() if known is None else (known.start_s,))),
            end_s=max(*edges_s, *(() if known is None else (known.end_s,))),
        )
        by_clip[clip.id] = media_id
    return media, by_clip


def _digest(*identity: object) -> str:
    text = "\n".join(map(str, identity))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:_ID_CHARS]


def _number(used: dict[str, int], digest: str) -> str:
    """The digest, or with "-2" where the same range of the same file is used once more."""
    used[digest] = used.get(digest, 0) + 1
    return digest if used[digest] == 1 else f"{digest}-{used[digest]}"
