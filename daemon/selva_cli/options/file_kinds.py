"""Which command a file is for: a timeline, a request bundle, or media."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

BUNDLE_SUFFIXES = (".selva", ".selvaz")


def is_bundle(cut: Path) -> bool:
    """Whether it is a request bundle, which says itself what is heard and how."""
    return cut.suffix.lower() in BUNDLE_SUFFIXES


def refuse_media(cut: Path, tracks: Sequence[str]) -> None:
    """Raises UnsupportedFormatError with the command for media, where a media file is given in place of a timeline."""
    from selva_core.base.command_line import selva_command  # noqa: PLC0415 - --help stays light
    from selva_otio.errors import UnsupportedFormatError  # noqa: PLC0415
    from selva_otio.picture.image_names import parse_image_name  # noqa: PLC0415
    from selva_otio.picture.media import PICTURE_SUFFIXES  # noqa: PLC0415

    if cut.suffix.lower() in PICTURE_SUFFIXES or parse_image_name(cut.name) is not None:
        command = selva_command("stems", str(cut), "-o", "stems", *_typed_tracks(tracks))
        raise UnsupportedFormatError(f"{cut.name} is media, not a timeline; for its stems run: {command}")


def refuse_timeline(video: Path, tracks: Sequence[str]) -> None:
    """Raises UnsupportedFormatError with the command for timelines, where a timeline is given in place of media."""
    from selva_core.base.command_line import selva_command  # noqa: PLC0415 - --help stays light
    from selva_otio.errors import UnsupportedFormatError  # noqa: PLC0415
    from selva_otio.formats.registry import FORMATS  # noqa: PLC0415

    known = {row.suffix: row for row in FORMATS}
    row = known.get(video.suffix.lower())
    if row is None:
        return
    if is_bundle(video):
        command = selva_command("render", str(video))
    else:
        target = video.with_name(f"{video.stem}-with-stems{row.suffix if row.write is not None else '.otio'}")
        command = selva_command("render", str(video), "-o", str(target), *_typed_tracks(tracks))
    raise UnsupportedFormatError(f"{video.name} is a timeline, not media; for its stems run: {command}")


def _typed_tracks(tracks: Sequence[str]) -> list[str]:
    return [word for track in tracks or ("Dog=small dog barking",) for word in ("--track", track)]
