"""The pages of the repository, and what stands in them: headings, links, blocks, commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_TOP_PAGES = ("README.md", "CONTRIBUTING.md", "examples/README.md")


@dataclass(frozen=True, kw_only=True)
class Block:
    """What stands between two fences. language: empty where none is named."""

    language: str
    text: str

    def iter_commands(self) -> Iterator[list[str]]:
        """The commands of a block for a shell, each as its arguments; `&&` begins another one."""
        for line in self.text.replace("\\\n", " ").splitlines():
            arguments: list[str] = []
            for argument in shlex.split(line, comments=True):
                if argument in ("&&", ";"):
                    yield arguments
                    arguments = []
                else:
                    arguments.append(argument)
            if arguments:
                yield arguments


@dataclass(frozen=True)
class Page:
    name: str
    """Relative to the root, with slashes."""
    text: str

    @property
    def blocks(self) -> Sequence[Block]:
        return [
            Block(language=found[2], text=re.sub(f"^{found[1]}", "", found[3], flags=re.MULTILINE))
            for found in _FENCE.finditer(self.text)
        ]

    @property
    def prose(self) -> str:
        return _FENCE.sub("", self.text)

    @property
    def links(self) -> Sequence[str]:
        """Targets of links and pictures, but those of other servers."""
        return [link for link in _LINK.findall(self.prose) if "://" not in link]

    @property
    def anchors(self) -> set[str]:
        """Of the headings, where a site and a code host name them alike."""
        titles = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        bare = [re.sub(r"[^\w\s-]", "", title.lower()).strip() for title in titles]
        return {re.sub(r"[-\s]+", "-", title) for title in bare} & {title.replace(" ", "-") for title in bare}

    def iter_shell_commands(self) -> Iterator[list[str]]:
        for block in self.blocks:
            if block.language == "sh":
                yield from block.iter_commands()

    def iter_named_commands(self) -> Iterator[list[str]]:
        """Commands of `selva` and of Python in the prose and in tables."""
        for span in re.findall(r"`((?:selva|(?:\.venv/bin/)?python3?) [^`]+)`", self.prose):
            yield shlex.split(span.replace("\\|", "|"))


def load_page(name: str) -> Page:
    return Page(name, (ROOT / name).read_text(encoding="utf-8"))


def all_pages() -> Sequence[Page]:
    names = [page.relative_to(ROOT).as_posix() for page in sorted(DOCS.rglob("*.md"))]
    return [load_page(name) for name in (*_TOP_PAGES, *names)]
