"""The text of a REAPER project as a tree of chunks that keeps every byte.

A chunk begins with a line `<NAME arguments`, ends with a line `>` and contains lines and chunks. The tree is the text cut at its
line ends, with indents, newline styles and plug-in state (base64 of any content) as they are. Libraries that parse lines into
values write other quotes, numbers or blanks back (rpp 0.5) or lose text (rppxml 0.1.4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from selva_core.base.regular_file import FileTooLargeError, read_bounded
from selva_otio.errors import TimelineReadError
from selva_otio.formats.reaper.tokens import split_tokens

PROJECT_CHUNK = "REAPER_PROJECT"
MAX_PROJECT_BYTES = 256 * 1024 * 1024
MAX_NESTING = 64
_BOM = "\ufeff"


@dataclass(kw_only=True)
class Chunk:
    """A chunk: raw lines with their line ends, and chunks. line_number: of its first line, from 1."""

    opening: str
    closing: str = ""
    line_number: int = 0
    children: list[str | Chunk] = field(default_factory=list)

    @property
    def name(self) -> str:
        return _chunk_name(self.opening)

    @property
    def arguments(self) -> list[str]:
        """The tokens after the name on the opening line."""
        return split_tokens(self.opening.lstrip(_BOM).strip()[1:])[1:]

    def iter_chunks(self, name: str) -> Iterator[Chunk]:
        """The chunks of a name directly inside."""
        for child in self.children:
            if isinstance(child, Chunk) and child.name == name:
                yield child

    def iter_fields(self, key: str) -> Iterator[list[str]]:
        """The tokens after `key` on each line directly inside that begins with it."""
        for child in self.children:
            if isinstance(child, str) and line_key(child) == key:
                yield split_tokens(child)[1:]

    def find_field(self, key: str) -> list[str]:
        """The tokens after `key` on the first line that begins with it; empty when there is none."""
        return next(self.iter_fields(key), [])

    def to_text(self) -> str:
        """The text it was read from, with what was changed since."""
        return "".join(self._iter_lines())

    def _iter_lines(self) -> Iterator[str]:
        """All raw lines. Not recursive: each line would pass through one generator for each level of nesting."""
        ahead: list[str | Chunk] = [self]
        while ahead:
            part = ahead.pop()
            if isinstance(part, str):
                yield part
                continue
            yield part.opening
            ahead.append(part.closing)
            ahead.extend(reversed(part.children))


@dataclass(frozen=True, kw_only=True)
class ProjectText:
    """A whole file: the project's chunk, and the lines before and after it, of which there are usually none.

    encoding: utf-8, or latin-1 for files that are not UTF-8 (older ones): every byte is a
    character in it, so that the bytes that were read come out again.
    """

    root: Chunk
    before: str
    after: str
    encoding: str

    @property
    def newline(self) -> str:
        return "\r\n" if self.root.opening.endswith("\r\n") else "\n"

    def to_text(self) -> str:
        return self.before + self.root.to_text() + self.after

    def to_bytes(self) -> bytes:
        return self.to_text().encode(self.encoding)


def load_project_text(path: Path) -> ProjectText:
    """Read a project file. Raises TimelineReadError."""
    try:
        return parse_project_bytes(read_bounded(path, MAX_PROJECT_BYTES), name=path.name)
    except FileTooLargeError as error:
        raise TimelineReadError(
            f"{path}: a project has at most {MAX_PROJECT_BYTES} bytes; {error.strerror}"
        ) from error
    except FileNotFoundError as error:
        raise TimelineReadError(f"there is no project at {path}") from error
    except OSError as error:
        raise TimelineReadError(f"{path} cannot be read: {error.strerror}") from error


def parse_project_bytes(content: bytes, *, name: str = "the project") -> ProjectText:
    """The tree of a project's bytes. Raises TimelineReadError."""
    try:
        return parse_project_text(content.decode("utf-8"), name=name)
    except UnicodeDecodeError:
        return parse_project_text(content.decode("latin-1"), name=name, encoding="latin-1")


def parse_project_text(text: str, *, name: str = "the project", encoding: str = "utf-8") -> ProjectText:
    """The tree of a project's text.

    Raises TimelineReadError for text that is no project, is cut short or is nested more than 64 levels deep.
    """
    lines = _split_lines(text)
    first = next((number for number, line in enumerate(lines) if line.lstrip(_BOM).strip()), None)
    if first is None or _chunk_name(lines[first]) != PROJECT_CHUNK:
        found = "it is empty" if first is None else f"it begins with {lines[first].strip()[:60]!r}"
        raise TimelineReadError(f"{name} is not a REAPER project: {found}, not with <{PROJECT_CHUNK}")
    root = Chunk(opening=lines[first], line_number=first + 1)
    end = _fill(root, lines, first + 1, name)
    return ProjectText(
        root=root, before="".join(lines[:first]), after="".join(lines[end:]), encoding=encoding
    )


def parse_chunk(text: str) -> Chunk:
    """The tree of the text of one chunk. Raises TimelineReadError."""
    lines = _split_lines(text)
    root = Chunk(opening=lines[0], line_number=1)
    _fill(root, lines, 1, "the chunk")
    return root


def line_key(line: str) -> str:
    """The first token of a line, which says what the line is."""
    parts = line.split(None, 1)
    return parts[0] if parts else ""


def indent_of(line: str) -> str:
    """The blanks before the first token of a line."""
    return line[: len(line) - len(line.lstrip())]


def line_end_of(line: str) -> str:
    """The line end of a raw line."""
    return line[len(line.rstrip("\r\n")) :]


def _fill(root: Chunk, lines: list[str], position: int, name: str) -> int:
    """Add the lines from `position` on to the tree. Returns the position after the end of the root."""
    open_chunks = [root]
    for index in range(position, len(lines)):
        line = lines[index]
        stripped = line.strip()
        if stripped == ">":
            open_chunks.pop().closing = line
            if not open_chunks:
                return index + 1
        elif stripped.startswith("<"):
            if len(open_chunks) >= MAX_NESTING:
                raise TimelineReadError(
                    f"{name} is nested more than {MAX_NESTING} levels deep at line {index + 1}"
                )
            chunk = Chunk(opening=line, line_number=index + 1)
            open_chunks[-1].children.append(chunk)
            open_chunks.append(chunk)
        else:
            open_chunks[-1].children.append(line)
    innermost = open_chunks[-1]
    raise TimelineReadError(
        f"{name} is cut short: it ends inside <{innermost.name}, which begins at line {innermost.line_number}; "
        "take REAPER's backup (.rpp-bak) or save the project again"
    )


def _chunk_name(opening: str) -> str:
    stripped = opening.lstrip(_BOM).strip()
    return line_key(stripped[1:]) if stripped.startswith("<") else ""


def _split_lines(text: str) -> list[str]:
    """Lines with their ends. Cut at line feeds only: str.splitlines also cuts at U+2028 and others, which names may contain."""
    parts = text.split("\n")
    lines = [part + "\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines
