"""What a client asks for: one job is one clip's range with all its cues and takes.

`JobRequest.to_wire` and `parse_job` are each other's inverse; docs/architecture.md ("Job") and
docs/protocol.md hold the table.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from selva_core.audio.credentials import Signer
from selva_core.base.errors import RequestError
from selva_core.base.limits import (
    DEFAULT_GUIDANCE,
    DEFAULT_SAMPLE_RATE_HZ,
    DEFAULT_STEPS,
    MAX_GUIDANCE,
    MAX_PROMPT_CHARS,
    MAX_SAMPLE_RATE_HZ,
    MAX_SEED,
    MAX_STEPS,
    MAX_TAKES,
    MIN_GUIDANCE,
    MIN_SAMPLE_RATE_HZ,
    MIN_STEPS,
)
from selva_core.base.media import MISSING_IMAGE_POLICIES, ImageSequence, Label, PictureRange
from selva_core.base.rational import to_pair
from selva_core.base.render_options import PRIORITIES, SamplingSettings
from selva_core.video.sequence_files import ImagePattern
from selva_daemon.protocol.fields import FieldReader
from selva_daemon.protocol.file_names import file_stem_error

MAX_LABEL_CHARS = 200
MAX_PATH_CHARS = 4096
MAX_NAME_CHARS = 120
MAX_CUES = 256
MAX_STEMS = 512
MAX_DURATION_S = Fraction(4 * 3600)
MAX_START_S = Fraction(1_000_000)
MAX_SPEED = Fraction(100)
MAX_LABELS = 1000
MAX_IMAGE_NUMBER = 2**31 - 1
MAX_IMAGES = 10_000_000
MAX_IMAGE_STEP = 1000
MAX_TIME_REFERENCE_SAMPLES = 2**53
SPARE_OUTPUT_S = 60


@dataclass(frozen=True, kw_only=True)
class TakeRequest:
    """One version of a cue. `take` counts from 1; `name` is the file stem before the content key is added."""

    take: int
    seed: int
    name: str


@dataclass(frozen=True, kw_only=True)
class CueRequest:
    """One sound wanted over the job's picture. `cue` is unique in the job."""

    cue: str
    track: str
    prompt: str
    takes: tuple[TakeRequest, ...]
    negative_prompt: str = ""


@dataclass(frozen=True, kw_only=True)
class OutputRequest:
    """Where the stems go, their exact length in samples, and what is written beside the sound.

    time_reference_samples: since midnight at the first sample; None leaves the clock out of the file. signer: whose
    Content Credentials are put into the file; None for none.
    """

    folder: Path
    num_samples: int
    sample_rate_hz: int = DEFAULT_SAMPLE_RATE_HZ
    time_reference_samples: int | None = None
    labels: tuple[Label, ...] = ()
    signer: Signer | None = None

    def to_wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {
            "folder": str(self.folder),
            "sample_rate_hz": self.sample_rate_hz,
            "num_samples": self.num_samples,
        }
        if self.time_reference_samples is not None:
            wire["time_reference_samples"] = self.time_reference_samples
        if self.labels:
            wire["labels"] = [asdict(label) for label in self.labels]
        if self.signer is not None:
            wire["c2pa"] = {"certificate": str(self.signer.certificate), "key": str(self.signer.key)}
        return wire


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """The body of `submit`."""

    label: str
    media: PictureRange
    model: str
    output: OutputRequest
    cues: tuple[CueRequest, ...]
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    priority: str = "interactive"
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def num_stems(self) -> int:
        return sum(len(cue.takes) for cue in self.cues)

    def to_wire(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "media": picture_to_wire(self.media),
            "model": self.model,
            "num_steps": self.sampling.num_steps,
            "guidance": self.sampling.guidance,
            "priority": self.priority,
            "output": self.output.to_wire(),
            "cues": [
                {
                    "cue": cue.cue,
                    "track": cue.track,
                    "prompt": cue.prompt,
                    "negative_prompt": cue.negative_prompt,
                    "takes": [
                        {"take": take.take, "seed": take.seed, "name": take.name} for take in cue.takes
                    ],
                }
                for cue in self.cues
            ],
            "provenance": dict(self.provenance),
        }


def parse_job(body: object) -> JobRequest:
    """The job in a `submit` body. Raises InvalidRequestError with one fault per wrong field; touches no
    disk.
    """
    reader = FieldReader(body)
    media = _parse_media(reader.child("media"))
    request = JobRequest(
        label=reader.text("label", max_chars=MAX_LABEL_CHARS, one_line=True),
        media=media,
        model=reader.text("model", max_chars=64, one_line=True),
        output=_parse_output(reader.child("output"), duration_s=media.duration_s),
        cues=_parse_cues(reader),
        sampling=SamplingSettings(
            num_steps=reader.integer(
                "num_steps", minimum=MIN_STEPS, maximum=MAX_STEPS, default=DEFAULT_STEPS
            ),
            guidance=reader.number(
                "guidance", minimum=MIN_GUIDANCE, maximum=MAX_GUIDANCE, default=DEFAULT_GUIDANCE
            ),
        ),
        priority=reader.choice("priority", allowed=PRIORITIES, default="interactive"),
        provenance=reader.texts("provenance", max_items=64, max_key_chars=64, max_chars=4000),
    )
    reader.finish()
    return request


def picture_to_wire(picture: PictureRange) -> dict[str, Any]:
    """The map that `media` is on the wire."""
    wire: dict[str, Any] = {
        "path": str(picture.path),
        "start_s": to_pair(picture.start_s),
        "duration_s": to_pair(picture.duration_s),
        "speed": to_pair(picture.speed),
    }
    if picture.images is not None:
        images = {**asdict(picture.images), "rate_hz": to_pair(picture.images.rate_hz)}
        wire["images"] = {name: value for name, value in images.items() if value is not None}
    return wire


def parse_media_range(body: object) -> PictureRange:
    """The inverse of `picture_to_wire`. Raises InvalidRequestError."""
    reader = FieldReader(body)
    media = _parse_media(reader)
    reader.finish()
    return media


def _parse_media(reader: FieldReader) -> PictureRange:
    return PictureRange(
        path=_absolute(reader, "path"),
        start_s=reader.rational("start_s", minimum=Fraction(0), maximum=MAX_START_S),
        duration_s=reader.rational("duration_s", minimum=Fraction(1, 1000), maximum=MAX_DURATION_S),
        speed=reader.rational("speed", minimum=-MAX_SPEED, maximum=MAX_SPEED, default=Fraction(1)),
        images=_parse_images(reader) if reader.has("images") else None,
    )


def _parse_images(reader: FieldReader) -> ImageSequence:
    try:
        ImagePattern.of(_absolute(reader, "path"))
    except RequestError as error:
        reader.refuse("path", error.message)
    images = reader.child("images")
    first = images.integer("first", minimum=0, maximum=MAX_IMAGE_NUMBER) if images.has("first") else None
    lowest = first or 0
    last = images.integer("last", minimum=lowest, maximum=lowest + MAX_IMAGES) if images.has("last") else None
    return ImageSequence(
        rate_hz=images.rational("rate_hz", minimum=Fraction(1, 1000), maximum=Fraction(1000)),
        first=first,
        last=last,
        step=images.integer("step", minimum=1, maximum=MAX_IMAGE_STEP, default=1),
        missing=images.choice("missing", allowed=MISSING_IMAGE_POLICIES, default="error"),
    )


def _parse_output(reader: FieldReader, *, duration_s: Fraction) -> OutputRequest:
    sample_rate_hz = reader.integer(
        "sample_rate_hz",
        minimum=MIN_SAMPLE_RATE_HZ,
        maximum=MAX_SAMPLE_RATE_HZ,
        default=DEFAULT_SAMPLE_RATE_HZ,
    )
    num_samples = reader.integer(
        "num_samples", minimum=1, maximum=int((duration_s + SPARE_OUTPUT_S) * sample_rate_hz)
    )
    time_reference_samples = None
    if reader.has("time_reference_samples"):
        time_reference_samples = reader.integer(
            "time_reference_samples", minimum=0, maximum=MAX_TIME_REFERENCE_SAMPLES
        )
    return OutputRequest(
        folder=_absolute(reader, "folder"),
        sample_rate_hz=sample_rate_hz,
        num_samples=num_samples,
        time_reference_samples=time_reference_samples,
        labels=_parse_labels(reader, num_samples),
        signer=_parse_signer(reader.child("c2pa")) if reader.has("c2pa") else None,
    )


def _parse_signer(reader: FieldReader) -> Signer:
    return Signer(certificate=_absolute(reader, "certificate"), key=_absolute(reader, "key"))


def _parse_labels(reader: FieldReader, num_samples: int) -> tuple[Label, ...]:
    if not reader.has("labels"):
        return ()
    labels = []
    for child in reader.children("labels", max_items=MAX_LABELS):
        start_sample = child.integer("start_sample", minimum=0, maximum=num_samples - 1)
        length = child.integer("num_samples", minimum=0, maximum=num_samples - start_sample, default=0)
        text = child.text("text", max_chars=MAX_NAME_CHARS, one_line=True)
        labels.append(Label(start_sample=start_sample, num_samples=length, text=text))
    return tuple(labels)


def _absolute(reader: FieldReader, name: str) -> Path:
    path = Path(reader.text(name, max_chars=MAX_PATH_CHARS))
    if path.parts and not path.is_absolute():
        reader.refuse(name, f"an absolute path is needed; got {str(path)[:80]!r}")
    elif ".." in path.parts:
        reader.refuse(name, "a path without '..' is needed")
    return path


def _parse_cues(reader: FieldReader) -> tuple[CueRequest, ...]:
    cues = tuple(_parse_cue(child) for child in reader.children("cues", max_items=MAX_CUES))
    ids = [cue.cue for cue in cues]
    if len(set(ids)) != len(ids):
        reader.refuse("cues", "each cue's id is used once in a job")
    num_stems = sum(len(cue.takes) for cue in cues)
    if num_stems > MAX_STEMS:
        reader.refuse(
            "cues", f"a job has at most {MAX_STEMS} stems; got {num_stems}. Send more jobs with fewer cues"
        )
    return cues


def _parse_cue(reader: FieldReader) -> CueRequest:
    takes = tuple(_parse_take(child) for child in reader.children("takes", max_items=MAX_TAKES))
    numbers = [take.take for take in takes]
    if len(set(numbers)) != len(numbers):
        reader.refuse("takes", "each take's number is used once in a cue")
    return CueRequest(
        cue=reader.text("cue", max_chars=MAX_NAME_CHARS, one_line=True),
        track=reader.text("track", max_chars=MAX_NAME_CHARS, one_line=True),
        prompt=reader.text("prompt", max_chars=MAX_PROMPT_CHARS),
        negative_prompt=reader.text("negative_prompt", max_chars=MAX_PROMPT_CHARS, default=""),
        takes=takes,
    )


def _parse_take(reader: FieldReader) -> TakeRequest:
    # macOS hands out decomposed names; composed, a name is the same file on every system.
    name = unicodedata.normalize("NFC", reader.text("name", max_chars=MAX_NAME_CHARS, one_line=True))
    fault = file_stem_error(name) if name else None
    if fault is not None:
        reader.refuse("name", fault)
    return TakeRequest(
        take=reader.integer("take", minimum=1, maximum=9999),
        seed=reader.integer("seed", minimum=0, maximum=MAX_SEED),
        name=name,
    )
