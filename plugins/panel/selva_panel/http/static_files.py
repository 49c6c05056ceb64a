"""The page's own files, as they were built: listed once, so that no path of a request ever becomes a path on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

STATIC_FOLDER = Path(__file__).resolve().parent.parent / "static"
_MIME = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, kw_only=True)
class StaticFile:
    path: Path
    mime: str


def list_static_files(folder: Path = STATIC_FOLDER) -> Mapping[str, StaticFile]:
    """Each file that a browser can use, by its URL path; "/" is index.html."""
    found = {
        f"/{file.relative_to(folder).as_posix()}": StaticFile(path=file, mime=_MIME[file.suffix])
        for file in folder.rglob("*")
        if file.is_file() and file.suffix in _MIME
    }
    if "/index.html" in found:
        found["/"] = found["/index.html"]
    return found
