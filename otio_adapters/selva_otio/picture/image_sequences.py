"""Image sequences on timelines: OpenTimelineIO's own references, and the file names that hosts write for them.

Only names are read here; `selva_core.video.sequence_files` looks which images exist.
"""

from __future__ import annotations

import re
from pathlib import Path

import opentimelineio as otio

from selva_core.base.media import ImageSequence
from selva_otio.errors import ClockError, UnsupportedUrlError
from selva_otio.picture.image_names import ImageName, image_name_in_url, parse_image_pattern
from selva_otio.picture.media import build_media_url, resolve_media_path
from selva_otio.time.clock import exact_rate, exact_seconds

_LAST_PART = re.compile(r"[^/\\]*$")


def find_image_sequence(clip: otio.schema.Clip, base_folder: Path) -> tuple[Path, ImageSequence] | None:
    """The path pattern and the images of a clip's active media; None where it is no image sequence.

    Raises UnsupportedUrlError or ClockError for a sequence that cannot be used.
    """
    reference = clip.media_reference
    if isinstance(reference, otio.schema.ImageSequenceReference):
        return _read_reference(reference, base_folder)
    if isinstance(reference, otio.schema.ExternalReference):
        return _read_url(clip, reference.target_url or "", base_folder)
    return None


def build_image_reference(
    path: Path, images: ImageSequence, available_range: otio.opentime.TimeRange
) -> otio.schema.ImageSequenceReference:
    """OpenTimelineIO's reference for an image sequence. Raises ClockError where its first image is not known."""
    name = parse_image_pattern(path.name)
    if name is None or images.first is None:
        raise ClockError(
            f"{path.name} does not say where an image sequence begins; give the number of its first image"
        )
    return otio.schema.ImageSequenceReference(
        target_url_base=build_media_url(path.parent) + "/",
        name_prefix=name.prefix,
        name_suffix=name.suffix,
        start_frame=images.first,
        frame_step=images.step,
        rate=float(images.rate_hz * images.step),
        frame_zero_padding=name.min_digits,
        missing_frame_policy=otio.schema.ImageSequenceReference.MissingFramePolicy.__members__[
            images.missing
        ],
        available_range=available_range,
    )


def _read_reference(
    reference: otio.schema.ImageSequenceReference, base_folder: Path
) -> tuple[Path, ImageSequence]:
    step = reference.frame_step
    if step < 1 or reference.rate <= 0:
        raise ClockError(
            f"the numbers of an image sequence go on by 1 or more, at a rate above 0; got step {step}, rate {reference.rate:g}"
        )
    rate_hz = exact_rate(reference.rate) / step
    last = None
    if reference.available_range is not None:
        count = int(exact_seconds(reference.available_range.duration) * rate_hz)
        last = reference.start_frame + max(count - 1, 0) * step
    name = ImageName(
        prefix=reference.name_prefix,
        min_digits=max(reference.frame_zero_padding, 1),
        suffix=reference.name_suffix,
    )
    folder = resolve_media_path(reference.target_url_base or ".", base_folder)
    images = ImageSequence(
        rate_hz=rate_hz,
        first=reference.start_frame,
        last=last,
        step=step,
        missing=reference.missing_frame_policy.name,
    )
    return folder / name.pattern, images


def _read_url(clip: otio.schema.Clip, url: str, base_folder: Path) -> tuple[Path, ImageSequence] | None:
    name = image_name_in_url(url)
    if name is None or resolve_media_path(url, base_folder).is_file():
        return None
    timed_range = clip.media_reference.available_range or clip.source_range
    if timed_range is None:
        raise UnsupportedUrlError(
            f"{url!r} is an image sequence, and nothing says its rate; give the clip a source range or an available range"
        )
    folder = resolve_media_path(_LAST_PART.sub("", url, count=1) or ".", base_folder)
    images = ImageSequence(rate_hz=exact_rate(timed_range.duration.rate), first=name.first, last=name.last)
    return folder / name.pattern, images
