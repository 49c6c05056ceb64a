"""Files that come, grow, change, move and go in a watch folder, and whether what came of them is true.

Every valid clip flashes at one frame and the echo engine clicks there, so that a stem shows which content it was made of. Used by
`watch_random.py` and, with a seed, by the tests.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile

from selva_render.watch.journal import WatchJournal
from selva_render.watch.journal_records import DONE, FAILED
from selva_render.watch.result_places import REPORT_NAME, STAGING_PREFIX, ResultPlaces, load_report

FPS, NUM_FRAMES = 25, 10
SAMPLES_PER_FRAME = 48_000 // FPS
CLICK_TOLERANCE_SAMPLES = 64
CLICK_LEVEL = 0.35
RULES = '[[cue]]\ntrack = "Click"\nprompt = "click"\n'
FOLDERS = ("", "day1", "day1/reel 2", "day 2")
LEFTOVERS = ("{}.part", ".{}.Xa9f2k", "~{}", "{}.crdownload", ".syncthing.{}.tmp")


@dataclass(frozen=True)
class Content:
    """Bytes of a file, and the frame at which they flash; None where they are no clip."""

    data: bytes
    flash: int | None

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def encode_clip(flash: int) -> bytes:
    """A movie of ten frames with one white one."""
    target = io.BytesIO()
    with av.open(target, "w", format="mov") as container:
        stream = container.add_stream("mjpeg", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index in range(NUM_FRAMES):
            level = 255 if index == flash else 0
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target.getvalue()


@dataclass
class Inputs:
    """A watch folder and what is done to it. files: what lies there whole; growing: what is still to be written."""

    root: Path
    rng: random.Random
    clips: Sequence[bytes]
    files: dict[str, Content] = field(default_factory=dict)
    growing: dict[str, tuple[Content, int]] = field(default_factory=dict)
    history: list[Content] = field(default_factory=list)
    num_steps: Counter[str] = field(default_factory=Counter)
    num_names: int = 0

    def start(self) -> None:
        for folder in FOLDERS:
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / "selva.toml").write_text(RULES, encoding="utf-8")

    def step(self) -> str:
        """Do one thing; returns what."""
        steps: Sequence[tuple[str, int, Callable[[], bool]]] = (
            ("create", 6, self._create),
            ("grow", 8, self._grow),
            ("replace", 2, self._replace),
            ("move", 3, self._move),
            ("copy", 1, self._copy),
            ("delete", 1, self._delete),
            ("touch", 1, self._touch),
            ("leftover", 1, self._leave_temporary),
            ("rename into place", 2, self._rename_into_place),
        )
        name, _, action = self.rng.choices(steps, [weight for _, weight, _ in steps])[0]
        if not action():
            return "nothing"
        self.num_steps[name] += 1
        return name

    def finish(self) -> None:
        """Write what is still growing."""
        while self.growing:
            self._grow()

    def _new_content(self) -> Content:
        """Seldom no clip; seldom one that was there before."""
        chance = self.rng.random()
        if chance < 0.12:
            content = Content(self.rng.randbytes(self.rng.randrange(1, 5_000)), None)
        elif chance < 0.22 and self.history:
            return self.rng.choice(self.history)
        else:
            flash = self.rng.randrange(len(self.clips))
            free = self.rng.randbytes(16)  # an atom that readers pass over makes the content another one
            content = Content(
                self.clips[flash] + struct.pack(">I", 8 + len(free)) + b"free" + free, flash + 1
            )
        self.history.append(content)
        return content

    def _new_name(self) -> str:
        self.num_names += 1
        folder = self.rng.choice(FOLDERS)
        odd = self.rng.choice(("", "", "", " ü", "\n", "'"))
        return f"{folder}/shot{self.num_names}{odd}.mov".lstrip("/")

    def _create(self) -> bool:
        name, content = self._new_name(), self._new_content()
        if self.rng.random() < 0.5:
            self._write(name, content)
        else:
            (self.root / name).write_bytes(b"")
            self.growing[name] = content, 0
        return True

    def _grow(self) -> bool:
        if not self.growing:
            return False
        name = self.rng.choice(sorted(self.growing))
        content, done = self.growing.pop(name)
        piece = max(len(content.data) // self.rng.randrange(1, 6), 1)
        with (self.root / name).open("ab") as file:
            file.write(content.data[done : done + piece])
        if done + piece >= len(content.data):
            self.files[name] = content
        else:
            self.growing[name] = content, done + piece
        return True

    def _replace(self) -> bool:
        if not self.files:
            return False
        self._write(self.rng.choice(sorted(self.files)), self._new_content())
        return True

    def _move(self) -> bool:
        if not self.files:
            return False
        before, after = self.rng.choice(sorted(self.files)), self._new_name()
        (self.root / before).rename(self.root / after)
        self.files[after] = self.files.pop(before)
        return True

    def _copy(self) -> bool:
        if not self.files:
            return False
        before, after = self.rng.choice(sorted(self.files)), self._new_name()
        shutil.copyfile(self.root / before, self.root / after)
        self.files[after] = self.files[before]
        return True

    def _delete(self) -> bool:
        if not self.files:
            return False
        name = self.rng.choice(sorted(self.files))
        (self.root / name).unlink()
        del self.files[name]
        return True

    def _touch(self) -> bool:
        if not self.files:
            return False
        (self.root / self.rng.choice(sorted(self.files))).touch()
        return True

    def _leave_temporary(self) -> bool:
        name = self.rng.choice(LEFTOVERS).format(f"left{self.rng.randrange(1_000)}.mov")
        (self.root / name).write_bytes(self.rng.choice(self.clips))
        return True

    def _rename_into_place(self) -> bool:
        name, content = self._new_name(), self._new_content()
        draft = (self.root / name).with_name(f".{Path(name).name}.9Zk2aa")
        draft.write_bytes(content.data)
        draft.replace(self.root / name)
        self.files[name] = content
        return True

    def _write(self, name: str, content: Content) -> None:
        (self.root / name).write_bytes(content.data)
        self.files[name] = content


def iter_faults(inputs: Inputs, journals: Sequence[WatchJournal], places: ResultPlaces) -> Iterator[str]:
    """What is not true: of each input each journal must hold one outcome, which is that of its bytes, and no results are half
    there, doubled or of another content.
    """
    for name, content in inputs.files.items():
        if (inputs.root / name).read_bytes() != content.data:
            yield f"{name!r} was altered"
        for number, journal in enumerate(journals):
            yield from (
                f"journal {number}, {name!r}: {fault}"
                for fault in _iter_item_faults(journal, inputs, name, content)
            )
    for number, journal in enumerate(journals):
        known = {record.name for record in journal.items(inputs.root) if record.state != "gone"}
        yield from (f"journal {number}: {name!r} is no input" for name in sorted(known - set(inputs.files)))
    yield from _iter_result_faults(places)


def _iter_item_faults(journal: WatchJournal, inputs: Inputs, name: str, content: Content) -> Iterator[str]:
    record = journal.item(inputs.root, name)
    wanted = FAILED if content.flash is None else DONE
    if record is None or record.state != wanted or record.outcome != wanted:
        yield f"it is {None if record is None else (record.state, record.reason)} instead of {wanted}"
        return
    if wanted == FAILED:
        if not Path(record.note).is_file():
            yield "there is no note of its failure"
        return
    report = load_report(Path(record.results)) if record.results else None
    if report is None or report["content"] != record.outcome_content:
        yield f"its results {record.results} are not those of its content"
        return
    yield from iter_stem_faults(report, content.flash)


def iter_stem_faults(report: dict[str, Any], flash: int | None) -> Iterator[str]:
    """Whether the stems of a report are there and click where the picture flashes."""
    stems = report["result"]["stems"]
    if not stems:
        yield "its results have no stem"
    for stem in stems:
        file = Path(stem["file"])
        if not file.is_file():
            yield f"its stem {file} is not there"
            continue
        samples, _ = soundfile.read(file, dtype="float32")
        peak = int(np.argmax(np.abs(samples)))
        expected = (flash or 0) * SAMPLES_PER_FRAME
        if np.abs(samples[peak]) < CLICK_LEVEL or abs(peak - expected) > CLICK_TOLERANCE_SAMPLES:
            yield f"its stem clicks at sample {peak} instead of {expected}: it is of another content"


def _iter_result_faults(places: ResultPlaces) -> Iterator[str]:
    root = places.results or places.root
    contents: Counter[str] = Counter()
    for folder in root.rglob("*"):
        if folder.name.startswith(STAGING_PREFIX):
            yield f"{folder} was left"
    for report_file in root.rglob(REPORT_NAME):
        report = json.loads(report_file.read_bytes())
        contents[report["content"]] += 1
        yield from (
            f"{report_file}: {stem['file']} is not there"
            for stem in report["result"]["stems"]
            if not Path(stem["file"]).is_file()
        )
    yield from (
        f"content {key[:12]} was rendered {times} times" for key, times in contents.items() if times > 1
    )
