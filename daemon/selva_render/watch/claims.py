"""Who renders what on a share that several machines watch, and what came of it: one small file for each input and attempt.

`.selva-watch/claims/ab/<key>.<number>.json` in the watch folder. The attempt of the highest number counts. An attempt is begun by
making its file, which the file system lets one machine do only; locks of fcntl are not used, as NFS and SMB keep them at their
own discretion. Its owner renews it; one that is not renewed for EXPIRY_S has lost its owner, and the next number may be made.
What came of an attempt stays in its file, so that the other machines know it. Clocks are not compared: an attempt expires when
the machine that looks at it has seen it unchanged for so long by its own clock.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from selva_core.base.atomic_write import write_atomic
from selva_core.base.errors import OutputError
from selva_core.base.regular_file import read_bounded
from selva_daemon.protocol.connection import process_is_alive
from selva_render.watch.file_names import SHARED_FOLDER

RENDERING, DONE, FAILED, DROPPED = "rendering", "done", "failed", "dropped"
EXPIRY_S = 120.0
RENEW_S = 15.0
MAX_CLAIM_BYTES = 1 << 20
_CLAIMS = "claims"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A watcher. journal: the id of its journal, the same after a restart. host, pid: where it runs; host is the same for two
    processes only where one can see the other's process id.
    """

    journal: str
    instance: str
    host: str
    pid: int
    machine: str

    @classmethod
    def of_this_process(cls, journal: str) -> Owner:
        return cls(
            journal=journal,
            instance=uuid.uuid4().hex,
            host=_host_identity(),
            pid=os.getpid(),
            machine=socket.gethostname(),
        )


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One attempt at one input. beat: changes when its owner renews it. source, earlier_source:
    the name of the input, and that of the attempt before, which may have been published. outcome: of a finished attempt, for
    the others."""

    key: str
    number: int
    owner: Owner | None
    state: str = RENDERING
    beat: str = ""
    expiry_s: float = EXPIRY_S
    source: str = ""
    earlier_source: str = ""
    outcome: dict[str, Any] | None = None

    @property
    def is_final(self) -> bool:
        return self.state in (DONE, FAILED)


class ClaimFolder:
    """The claims of one watch folder, of which `folder` is the one that holds SHARED_FOLDER; safe for several threads.

    expiry_s, now_s: for tests.
    """

    def __init__(
        self,
        folder: Path,
        owner: Owner,
        *,
        expiry_s: float = EXPIRY_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder / SHARED_FOLDER / _CLAIMS
        self.owner = owner
        self._expiry_s = expiry_s
        self._now_s = now_s
        self._seen: dict[str, tuple[int, str, float]] = {}
        self._lock = threading.Lock()

    def read(self, key: str) -> Claim | None:
        """The claim that counts; None where there is none. Raises OSError."""
        number = self._last_number(key)
        return None if number is None else self._load(key, number)

    def try_claim(self, key: str, source: str, *, after: int = 0) -> Claim | None:
        """Begin an attempt; None when another watcher has one that counts, or one has ended. after: the number of an attempt
        that may have ended, for another one; a later one that has ended counts.

        Raises OSError, OutputError.
        """
        known = self.read(key)
        if known is not None and not self._may_follow(known, after=after):
            return None
        number = 1 if known is None else known.number + 1
        claim = Claim(
            key=key,
            number=number,
            owner=self.owner,
            beat=secrets.token_hex(8),
            expiry_s=self._expiry_s,
            source=source,
            earlier_source="" if known is None else known.source,
        )
        file = self._file(key, number)
        file.parent.mkdir(parents=True, exist_ok=True)
        if not _create_whole(file, _encode(claim)):
            return None
        # A watcher that was held up between looking and making may have made a number that others have passed meanwhile.
        if self._last_number(key) != number:
            file.unlink(missing_ok=True)
            return None
        self._remove_before(key, number)
        return claim

    def renew(self, claim: Claim) -> Claim | None:
        """The claim with a new beat, or None when it does not count any more. Raises OSError, OutputError."""
        if not self.counts(claim):
            return None
        renewed = replace(claim, beat=secrets.token_hex(8))
        write_atomic(self._file(claim.key, claim.number), _encode(renewed))
        return renewed

    def finish(self, claim: Claim, state: str, outcome: dict[str, Any] | None = None) -> bool:
        """Write what came of an attempt; False when it does not count any more. Raises OSError, OutputError."""
        if not self.counts(claim):
            return False
        ended = replace(claim, state=state, beat=secrets.token_hex(8), outcome=outcome)
        write_atomic(self._file(claim.key, claim.number), _encode(ended))
        return True

    def counts(self, claim: Claim) -> bool:
        """Whether the attempt is the last one, and ours. Raises OSError."""
        last = self.read(claim.key)
        return (
            last is not None
            and last.number == claim.number
            and last.owner is not None
            and last.owner.instance == self.owner.instance
        )

    def _may_follow(self, known: Claim, *, after: int) -> bool:
        if known.state == DROPPED:
            return True
        if known.is_final:
            return known.number <= after
        owner = known.owner
        if owner is not None and owner.host == self.owner.host:
            if owner.instance == self.owner.instance:
                return False
            # Of an earlier run of this watcher, whose lock is ours now, or of a process of this machine that has ended.
            if owner.journal == self.owner.journal or not process_is_alive(owner.pid):
                return True
        return self._has_expired(known)

    def _has_expired(self, claim: Claim) -> bool:
        now_s = self._now_s()
        with self._lock:
            number, beat, since_s = self._seen.get(claim.key, (0, "", now_s))
            if (number, beat) != (claim.number, claim.beat):
                self._seen[claim.key] = (claim.number, claim.beat, now_s)
                return False
            self._seen[claim.key] = (number, beat, since_s)
            return now_s - since_s >= claim.expiry_s

    def _load(self, key: str, number: int) -> Claim:
        """A file that is empty or damaged is one whose owner is writing it or has died over it."""
        try:
            values = json.loads(read_bounded(self._file(key, number), MAX_CLAIM_BYTES))
            owner = Owner(**values.pop("owner"))
            return Claim(key=key, number=number, owner=owner, **values)
        except FileNotFoundError:
            return Claim(key=key, number=number, owner=None, state=DROPPED)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return Claim(key=key, number=number, owner=None, expiry_s=self._expiry_s)

    def _file(self, key: str, number: int) -> Path:
        return self._folder / key[:2] / f"{key}.{number}.json"

    def _last_number(self, key: str) -> int | None:
        return max(self._numbers(key), default=None)

    def _numbers(self, key: str) -> list[int]:
        try:
            names = os.listdir(self._folder / key[:2])
        except FileNotFoundError:
            return []
        prefix = f"{key}."
        middles = (name[len(prefix) : -len(".json")] for name in names if name.startswith(prefix))
        return [int(middle) for middle in middles if middle.isdecimal()]

    def _remove_before(self, key: str, number: int) -> None:
        for earlier in self._numbers(key):
            if earlier < number:
                with suppress(OSError):
                    self._file(key, earlier).unlink(missing_ok=True)


def forget_claims(folder: Path, keys: Iterable[str]) -> None:
    """Remove what the machines that watch `folder` know of these inputs, as far as this one may."""
    for key in keys:
        for file in (folder / SHARED_FOLDER / _CLAIMS / key[:2]).glob(f"{key}.*.json"):
            with suppress(OSError):
                file.unlink(missing_ok=True)


class ClaimKeeper:
    """Renews claims that are held, in a thread of its own; `close` it."""

    def __init__(self, *, renew_s: float = RENEW_S) -> None:
        self._renew_s = renew_s
        self._held: dict[str, tuple[ClaimFolder, Claim]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch-claims", daemon=True)
        self._thread.start()

    def hold(self, folder: ClaimFolder, claim: Claim) -> None:
        with self._lock:
            self._held[claim.key] = (folder, claim)

    def release(self, claim: Claim) -> None:
        with self._lock:
            self._held.pop(claim.key, None)

    def drop_all(self) -> None:
        """Give up what is held, for the other watchers: this one ends."""
        with self._lock:
            held = list(self._held.values())
            self._held.clear()
        for folder, claim in held:
            with suppress(OSError, OutputError):
                folder.finish(claim, DROPPED)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._renew_s):
            with self._lock:
                held = list(self._held.values())
            for folder, claim in held:
                # A share that is away for a moment loses nothing: the claim is renewed the next time.
                with suppress(OSError, OutputError):
                    folder.renew(claim)


def _encode(claim: Claim) -> bytes:
    values = asdict(claim)
    del values["key"], values["number"]
    return (json.dumps(values, indent=1) + "\n").encode()


def _create_whole(file: Path, content: bytes) -> bool:
    """Make a file with its content in one step; False when there is one. Raises OSError.

    A hard link appears with its content. File systems without links (exFAT, some shares) get the file first and the content
    after; a reader in between finds it empty.
    """
    draft = file.with_name(f".{file.name[:16]}.{secrets.token_hex(8)}.part")
    try:
        draft.write_bytes(content)
        os.link(draft, file)
    except FileExistsError:
        return False
    except OSError:
        try:
            with file.open("xb") as stream:
                stream.write(content)
        except FileExistsError:
            return False
    finally:
        with suppress(OSError):
            draft.unlink()
    return True


@cache
def _host_identity() -> str:
    """The same for two processes only where one sees the other's process id: machine, boot and, on Linux, process namespace."""
    parts = [socket.gethostname(), f"{uuid.getnode():x}"]
    if sys.platform == "linux":
        with suppress(OSError):
            parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        with suppress(OSError):
            parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)
