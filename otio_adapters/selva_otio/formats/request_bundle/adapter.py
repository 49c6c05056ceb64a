"""Request bundles (.selva, .selvaz) for OpenTimelineIO: write a cut with the sounds it asks for, read it with its stems.

    otio.adapters.write_to_file(timeline, "cut.selva", tracks={"Dog": "small dog barking"})
    otio.adapters.read_from_file("cut.selva")       # the cut, with the stems that are rendered so far

Nothing is rendered without `submit` or `wait`: a bundle is a file, which `selva render cut.selva`, a watch folder or the client
fill. All errors raised on purpose are ValueErrors (selva_otio.errors, selva_core.base.errors).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_otio.cues.cue_sheet import StemTrack, parse_stem_track
from selva_otio.cues.metadata import TIMELINE_RANK, iter_carried_rows, iter_metadata_rules
from selva_otio.cues.rules import CueRule
from selva_otio.cues.sheet_files import SHOWN_FIELDS, read_cue_sheet
from selva_otio.errors import CueError
from selva_otio.formats.otio import unwrap_timeline
from selva_otio.formats.request_bundle.bundle_folder import (
    RequestBundle,
    drop_relative_paths,
    load_bundle_folder,
    write_bundle_folder,
)
from selva_otio.formats.request_bundle.bundle_zip import ZIP_SUFFIX, read_zip, unpack_zip, write_zip
from selva_otio.formats.request_bundle.options import BundleOptions, build_options, read_options
from selva_otio.formats.request_bundle.sender import BundleSender, ProgressListener, find_sender
from selva_otio.metadata import SELVA_NAMESPACE

MEDIA_CHOICES = ("linked", "small")
TrackRequests = Mapping[str, str | Mapping[str, Any]] | Iterable[str]


def read_from_file(filepath: str, extract_to_directory: str | None = None) -> otio.schema.Timeline:
    """The cut of a bundle with the stems that are rendered so far, each on its track.

    The stems of a .selvaz stay in it, and their URLs are names in it, unless it is unpacked to `extract_to_directory`, an
    existing folder. Raises selva_otio.errors.TimelineError (a ValueError).
    """
    path = Path(filepath)
    if extract_to_directory is not None:
        folder = Path(extract_to_directory)
        if not _is_zip(path):
            raise CueError(f"only a {ZIP_SUFFIX} is unpacked; {path.name} is a folder")
        unpack_zip(path, folder)
        timeline = load_bundle_folder(folder, base_folder=path.absolute().parent).timeline_with_stems()
    else:
        timeline = read_zip(path) if _is_zip(path) else load_bundle_folder(path).timeline_with_stems()
    drop_relative_paths(timeline)
    return timeline


def write_to_file(
    input_otio: otio.core.SerializableObject,
    filepath: str,
    *,
    tracks: TrackRequests | None = None,
    cues: str | os.PathLike[str] | Iterable[Mapping[str, Any]] | None = None,
    takes: int | None = None,
    seed: int | None = None,
    model: str | None = None,
    sample_rate: int | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    quality: str | None = None,
    separate: float | None = None,
    precision: str | None = None,
    pan: str | None = None,
    pan_width: float | None = None,
    distance: bool | None = None,
    handles: float | str | Fraction | None = None,
    video_track: str | None = None,
    markers: bool | None = None,
    marker_colour: str | None = None,
    media: str = "linked",
    submit: bool = False,
    wait: bool = False,
    on_progress: ProgressListener | None = None,
) -> list[str] | None:
    """Write a bundle whole or not at all; an existing one gets the new request and keeps its stems.

    tracks: stem tracks for every clip: {"Dog": "small dog barking"}, with {"prompt", "negative", "takes", "gain_db"} in place of
    a text, or ["Dog=small dog barking"]. cues: a cue sheet, as the path of a .toml or .csv file or as rows. The others are
    as on the command line; by default they are those of the bundle that the timeline came from. media: "small" adds the
    proxies that models look at, so that the media need not travel.

    submit: send the jobs to the running daemon and return their ids, one or more per clip. wait: also wait until the stems
    are in the bundle. on_progress: called with 0..1 and a text. Raises selva_otio.errors.TimelineError, and
    selva_core.base.errors.SelvaError when the daemon, the media or the model cannot be used.
    """
    path = Path(filepath)
    listens_idly = on_progress is not None and not wait
    _refuse_contradictions(path, media=media, submits=submit or wait, listens_idly=listens_idly)
    # Looked for before anything is written: without a sender, an older request at `filepath` stays as it is.
    sender = find_sender() if submit or wait or media == "small" else None
    timeline = unwrap_timeline(input_otio, target_kind="a bundle").clone()
    options = _merge_options(
        timeline,
        takes=takes,
        seed=seed,
        model=model,
        sample_rate=sample_rate,
        steps=steps,
        guidance=guidance,
        quality=quality,
        separate=separate,
        precision=precision,
        pan=pan,
        pan_width=pan_width,
        distance=distance,
        handles=handles,
        video_track=video_track,
        markers=markers,
        marker_colour=marker_colour,
    )
    _set_request(timeline, tracks, cues)
    base_folder = path.absolute().parent
    if tracks is not None or cues is not None:
        RequestBundle(folder=path, timeline=timeline, options=options, base_folder=base_folder).spot()

    def write(folder: Path) -> RequestBundle:
        bundle = write_bundle_folder(timeline, folder, options, base_folder=base_folder)
        if sender is not None and media == "small":
            sender.add_proxies(bundle)
        return bundle

    if _is_zip(path):
        write_zip(path, write)
        return None
    return _send(write(path), sender, submits=submit, waits=wait, on_progress=on_progress)


def _send(
    bundle: RequestBundle,
    sender: BundleSender | None,
    *,
    submits: bool,
    waits: bool,
    on_progress: ProgressListener | None,
) -> list[str] | None:
    if sender is not None and waits:
        return sender.fill_and_wait(bundle, on_progress)
    return sender.submit(bundle) if sender is not None and submits else None


def _refuse_contradictions(path: Path, *, media: str, submits: bool, listens_idly: bool) -> None:
    """Raises CueError for arguments that cannot be followed together."""
    if media not in MEDIA_CHOICES:
        raise CueError(f"media is one of {', '.join(MEDIA_CHOICES)}; got {media!r}")
    if listens_idly:
        raise CueError("on_progress is called while wait=True waits; set it too")
    if _is_zip(path) and submits:
        raise CueError(f"stems are made in a folder; write {path.with_suffix('.selva').name} instead")


def _merge_options(timeline: otio.schema.Timeline, **given: Any) -> BundleOptions:
    """The options of the bundle that the timeline came from, with those that are given in their place. Raises CueError."""
    known = read_options(timeline).to_metadata()
    return build_options({**known, **{name: value for name, value in given.items() if value is not None}})


def _set_request(timeline: otio.schema.Timeline, tracks: TrackRequests | None, cues: Any) -> None:
    """Put stem tracks and cues into the timeline's metadata. Raises CueError."""
    metadata: dict[str, Any] = dict(timeline.metadata.get(SELVA_NAMESPACE, {}))
    if tracks is not None:
        requested = {rule.stem_track.name.casefold(): rule.stem_track for rule in _read_rules(timeline)}
        requested |= {track.name.casefold(): track for track in _read_tracks(tracks)}
        metadata["tracks"] = [_track_row(track) for track in requested.values()]
    if cues is not None:
        is_file = isinstance(cues, str | os.PathLike)
        rows = [row for _, row in read_cue_sheet(Path(cues))] if is_file else list(cues)
        metadata["cues"] = [_plain_row(row) for row in rows]
    if metadata:
        timeline.metadata[SELVA_NAMESPACE] = metadata
    # Reading checks: what cannot be read back is refused before the bundle is written.
    _read_rules(timeline)
    list(iter_carried_rows(timeline))


def _read_rules(timeline: otio.schema.Timeline) -> list[CueRule]:
    return list(iter_metadata_rules(timeline, rank=TIMELINE_RANK, origin="tracks"))


def _plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as metadata can hold it, without the columns that `selva spot --csv` adds for reading."""
    return {
        key: value if isinstance(value, int | float) else str(value)
        for key, value in row.items()
        if key not in SHOWN_FIELDS
    }


def _read_tracks(tracks: TrackRequests) -> list[StemTrack]:
    """Raises CueError."""
    if isinstance(tracks, Mapping):
        carrier = otio.schema.Timeline()
        rows = [
            {"track": str(name), **({"prompt": value} if isinstance(value, str) else value)}
            for name, value in tracks.items()
        ]
        carrier.metadata[SELVA_NAMESPACE] = {"tracks": rows}
        return [rule.stem_track for rule in _read_rules(carrier)]
    return [parse_stem_track(text) for text in ([tracks] if isinstance(tracks, str) else tracks)]


def _track_row(track: StemTrack) -> dict[str, Any]:
    """As the timeline's metadata holds it, in a list, which keeps the order of the tracks."""
    row: dict[str, Any] = {"track": track.name, "prompt": track.prompt}
    if track.negative_prompt:
        row["negative"] = track.negative_prompt
    if track.num_takes is not None:
        row["takes"] = track.num_takes
    if track.gain_db:
        row["gain_db"] = track.gain_db
    return row


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ZIP_SUFFIX
