"""The folders that an agent may read and write in. Every path that it names, and those inside such files, is judged here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from selva_core.base.errors import RequestError, SelvaError


class OutsideFoldersError(SelvaError, PermissionError):
    """A path lies outside of the folders that were given at the start."""

    code = "outside-folders"


@dataclass(frozen=True, kw_only=True)
class AllowedFolders:
    """Folders, resolved: absolute and without links."""

    folders: tuple[Path, ...]

    @classmethod
    def open(cls, folders: Sequence[Path]) -> AllowedFolders:
        """Raises RequestError for none, and for what is not a folder."""
        if not folders:
            raise RequestError("name at least one folder that may be worked in: selva mcp --folder DIR")
        for folder in folders:
            if not folder.is_dir():
                raise RequestError(f"there is no folder {folder}; make it, or name another with --folder")
        return cls(folders=tuple(dict.fromkeys(Path(os.path.realpath(folder)) for folder in folders)))

    def resolve(self, path: str | Path) -> Path:
        """The real path of a file or folder, which need not exist; relative ones start in the first folder.

        Links are followed before it is judged, so that one inside cannot lead outside. Raises OutsideFoldersError, RequestError.
        """
        text = str(path)
        if not text.strip() or "\0" in text:
            raise RequestError(f"a path names a file or a folder; got {text!r}")
        real = Path(os.path.realpath(self.folders[0] / text))
        if not any(real.is_relative_to(folder) for folder in self.folders):
            allowed = ", ".join(map(str, self.folders))
            raise OutsideFoldersError(
                f"{text} lies outside of the folders that were allowed at the start ({allowed}); "
                "name a path in one of them, or have `selva mcp` started with --folder for it"
            )
        return real

    def require(self, paths: Iterable[Path]) -> None:
        """Check the media and stems of a timeline: they lie inside too. Raises OutsideFoldersError."""
        for path in paths:
            self.resolve(path)
