"""What leaves the machine in a report: no keys, no prompts or names of jobs, no paths outside the home folder."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from selva_core.base.paths import AppPaths

SECRET, PROMPT, OUTSIDE = "[secret]", "[prompt]", "[path outside the home folder]"
_KNOWN_SECRETS = re.compile(
    r"hf_[A-Za-z0-9]{16,}|(?<=://)[^/@\s]+@|(?i:bearer|token|password|secret)[\"']?\s*[:=]\s*[\"']?[^\s\"',;]{6,}"
)
_Z85_KEY = re.compile(
    r"(?<![0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#])[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}(?=[\"'])"
)
_IN_PATH = r"[^\s\"'<>|:;]+"
# Names of folders and files may hold spaces, so the path goes on over spaces as long as a slash or a file suffix follows. That
# may redact some words too many, but never leaves a part of a path.
_REST = rf"{_IN_PATH}(?:(?: {_IN_PATH}){{0,6}}? ?[^\s\"'<>|:;]*(?:[\\/]|\.\w{{2,5}}\b)[^\s\"'<>|:;]*)*"
_PATHS = (
    re.compile(r"file:/+(?![~/])[^\s\"'<>|]+"),
    re.compile(rf"(?<![\w~./\\])/(?!/){_REST}"),
    re.compile(rf"(?<!\w)[A-Za-z]:[\\/]{_REST}"),
    re.compile(rf"(?<!\w)\\\\{_REST}"),
)
_MIN_PROMPT_CHARS = 3
_MAX_JOBS = 20_000


@dataclass(frozen=True, kw_only=True)
class Redaction:
    """What is replaced: values that are known, then what looks like a key or a path."""

    home: Path
    secrets: frozenset[str] = frozenset()
    prompts: frozenset[str] = frozenset()

    def apply(self, text: str) -> str:
        """The text without any of it."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, SECRET)
        text = _KNOWN_SECRETS.sub(SECRET, text)
        text = _Z85_KEY.sub(SECRET, text)
        for prompt in sorted(self.prompts, key=len, reverse=True):
            text = re.sub(re.escape(prompt), PROMPT, text, flags=re.IGNORECASE)
        for written in {str(self.home), str(self.home).replace("\\", "\\\\"), self.home.as_posix()}:
            if len(written) > 1:
                text = text.replace(written, "~")
        for pattern in _PATHS:
            text = pattern.sub(OUTSIDE, text)
        return text


def collect_redaction(paths: AppPaths, home: Path) -> Redaction:
    """The keys and prompts that this user's files hold; what cannot be read holds nothing for a report either."""
    return Redaction(
        home=home,
        secrets=frozenset(_iter_secrets((paths.keys_file, paths.own_connection_file, paths.other_daemon))),
        prompts=frozenset(text for text in _iter_prompts(paths.queue_file) if len(text) >= _MIN_PROMPT_CHARS),
    )


def _iter_secrets(files: Iterable[Path | None]) -> Iterator[str]:
    for file in files:
        if file is None:
            continue
        try:
            content = msgspec.json.decode(file.read_bytes())
        except (OSError, msgspec.MsgspecError):
            continue
        yield from (text for text in _iter_texts(content) if len(text) == 40)


def _iter_prompts(queue_file: Path) -> Iterator[str]:
    """Prompts, labels and names of tracks of all stored jobs; read only, beside a daemon that runs."""
    if not queue_file.is_file():
        return
    try:
        database = sqlite3.connect(f"{queue_file.as_uri()}?mode=ro", uri=True, timeout=2.0)
    except sqlite3.Error:
        return
    try:
        found = database.execute("SELECT label, request FROM jobs ORDER BY number DESC LIMIT ?", (_MAX_JOBS,))
        for label, packed in found:
            yield str(label)
            yield from _iter_job_texts(packed)
    except sqlite3.Error:
        return
    finally:
        database.close()


def _iter_job_texts(packed: bytes) -> Iterator[str]:
    try:
        request: Any = msgspec.msgpack.decode(packed)
    except (msgspec.MsgspecError, TypeError):
        return
    for cue in request.get("cues", ()) if isinstance(request, dict) else ():
        yield from (
            cue[name] for name in ("prompt", "negative_prompt", "track") if isinstance(cue.get(name), str)
        )


def _iter_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _iter_texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _iter_texts(each)
