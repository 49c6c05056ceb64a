"""Builds of Resolve: which version and edition behaves how.

Each field is one point where versions, editions or machines differ; a test may turn any of them with
`dataclasses.replace(build(...), ...)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.selva_plugins.resolve.double.surface import Version

Edition = Literal["free", "studio"]


@dataclass(frozen=True, kw_only=True)
class Build:
    """One Resolve, as far as scripts can tell."""

    version: Version
    edition: Edition
    record_frame_supported: bool
    end_inclusive: bool
    fractions_refused: bool
    marker_keys: Literal["float", "int"]
    positions: Literal["int", "float"]
    import_form: Literal["paths", "dicts"]
    sandboxed: bool
    windows_allowed: bool
    python_menu: bool
    empty_track_is_none: bool = False
    append_returns: Literal["items", "none", "dead"] = "items"
    overlap_returns: Literal["items", "empty"] = "items"
    duplicate_imports: Literal["reuse", "duplicate"] = "reuse"
    resolves_symlinks: bool = False
    empty_marker_name_refused: bool = True
    delete_needs_edit_page: bool = True
    save_returns_none: bool = False
    lose_errored_batches: bool = True
    frame_rate_text: bool = False
    lua_list_flags: bool = True
    reversed_source: Literal["edge", "first_frame"] = "edge"
    reversed_offsets: Literal["handles", "position"] = "handles"
    type_names: tuple[str, ...] = ("Video + Audio", "Video", "Audio", "Timeline", "Compound")

    @property
    def product_name(self) -> str:
        return "DaVinci Resolve Studio" if self.edition == "studio" else "DaVinci Resolve"

    @property
    def external_scripting(self) -> bool:
        return self.edition == "studio"


GERMAN_TYPE_NAMES = ("Video + Ton", "Video", "Ton", "Zeitachse", "Verbund")
JAPANESE_TYPE_NAMES = ("ビデオ + オーディオ", "ビデオ", "オーディオ", "タイムライン", "複合")


def build(version: Version | str, edition: Edition = "studio") -> Build:
    """The build of this version and edition with its own ways; `version` may be "21.1"."""
    fields = [int(field) for field in version.split(".")] if isinstance(version, str) else list(version)
    major, minor, patch = (*fields, 0, 0, 0)[:3]
    number: Version = (major, minor, patch)
    free = edition == "free"
    return Build(
        version=number,
        edition=edition,
        record_frame_supported=number >= (18, 5, 0),
        end_inclusive=number < (19, 0, 0),
        fractions_refused=number >= (21, 0, 0),
        marker_keys="int" if number >= (21, 1, 0) else "float",
        positions="float" if number >= (21, 1, 0) else "int",
        import_form="dicts" if number >= (21, 1, 0) else "paths",
        sandboxed=free and number >= (21, 1, 0),
        windows_allowed=not (free and number >= (19, 1, 0)),
        python_menu=not (free and number >= (21, 1, 0)),
    )


SUPPORTED_BUILDS = tuple(
    build(version, edition)
    for version in ("18.5.1", "19.0.0", "19.1.3", "20.2.2", "21.0.4", "21.1.0")
    for edition in ("free", "studio")
)


def build_id(value: Build) -> str:
    """A short name for test reports: `21.1.0-free`."""
    return ".".join(str(field) for field in value.version) + "-" + value.edition
