"""Where a submitter's files are on a worker: the path mapping rules that OpenJD schedulers write for every session
(OpenJD "How Jobs Are Run", path mapping, schema pathmapping-1.0).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import opentimelineio as otio

from selva_core.base.atomic_write import explain_os_error
from selva_core.base.errors import RequestError
from selva_core.base.regular_file import FileTooLargeError, read_bounded
from selva_otio.picture.media import build_media_url

MAX_RULES_BYTES = 1 << 20
SCHEMA = "pathmapping-1.0"
_FORMATS = ("POSIX", "WINDOWS", "URI")
_FILE_URL = re.compile(r"file:(?://(?:localhost)?(?=/))?", re.I)


@dataclass(frozen=True, kw_only=True)
class PathRule:
    """Files below `source` on the submitter's machine lie below `destination` here. source_format: POSIX, WINDOWS or URI."""

    source_format: str
    source: str
    destination: Path

    def map_path(self, path: str) -> Path | None:
        """The path here of a submitter's path; None where the rule is not for it. Windows' names ignore case."""
        parts, source = _split(path), _split(self.source)
        if self.source_format == "WINDOWS":
            starts = [part.casefold() for part in parts[: len(source)]] == [
                part.casefold() for part in source
            ]
        else:
            starts = parts[: len(source)] == source
        return self.destination.joinpath(*parts[len(source) :]) if starts and source else None


def load_path_rules(file: Path) -> list[PathRule]:
    """The rules of a file as a scheduler writes it; a session without rules has an empty object. Raises RequestError."""
    try:
        content = json.loads(read_bounded(file, MAX_RULES_BYTES))
    except (OSError, FileTooLargeError) as error:
        problem = explain_os_error(error) if isinstance(error, OSError) else str(error)
        raise RequestError(f"the path mapping rules {file} cannot be read: {problem}") from error
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{file} holds no path mapping rules: it is no JSON ({error})") from error
    rows = content.get("path_mapping_rules", []) if isinstance(content, Mapping) else None
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise RequestError(f"{file} holds no path mapping rules as {SCHEMA} has them")
    rules = [_build_rule(row, file) for row in rows]
    # The longest source is the most exact rule for what lies below several of them.
    return sorted(rules, key=lambda rule: len(_split(rule.source)), reverse=True)


def apply_path_rules(timeline: otio.schema.Timeline, rules: Sequence[PathRule]) -> None:
    """Let the media of a timeline, in place, be where the rules say it is on this machine."""
    for clip in timeline.find_clips() if rules else ():
        for reference in clip.media_references().values():
            for attribute in ("target_url", "target_url_base"):
                url = getattr(reference, attribute, None) or ""
                mapped = _map_url(url, rules)
                if mapped is not None:
                    setattr(
                        reference, attribute, build_media_url(mapped) + ("/" if url.endswith("/") else "")
                    )


def _map_url(url: str, rules: Sequence[PathRule]) -> Path | None:
    if not url.strip():
        return None
    path = unquote(_FILE_URL.sub("", url, count=1)) if url.lower().startswith("file:") else url
    mapped = (rule.map_path(url if rule.source_format == "URI" else path) for rule in rules)
    return next((found for found in mapped if found is not None), None)


def _build_rule(row: object, file: Path) -> PathRule:
    names = ("source_path_format", "source_path", "destination_path")
    if not isinstance(row, Mapping) or not all(isinstance(row.get(name), str) for name in names):
        raise RequestError(f"{file}: a path mapping rule has {', '.join(names)}; got {row!r:.200}")
    source_format, source, destination = (row[name] for name in names)
    if source_format not in _FORMATS:
        raise RequestError(
            f"{file}: a source path is one of {', '.join(_FORMATS)}; got {source_format!r:.40}"
        )
    return PathRule(source_format=source_format, source=source, destination=Path(destination))


def _split(path: str) -> list[str]:
    """The parts of a path of any system; the root of POSIX is none of them, a drive is one."""
    return [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
