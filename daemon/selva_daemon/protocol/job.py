"""What a client asks for: one job is one clip's range with all its cues and takes.

The structs are the wire's definition: names, order and limits. `JobRequest.to_wire` and `parse_job` are each other's inverse;
the table in docs/reference/protocol.md is made from them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from selva_core.base.limits import (
    DEFAULT_GUIDANCE,
    DEFAULT_SAMPLE_RATE_HZ,
    DEFAULT_SEPARATION,
    DEFAULT_STEPS,
    MAX_GUIDANCE,
    MAX_PROMPT_CHARS,
    MAX_SAMPLE_RATE_HZ,
    MAX_SEED,
    MAX_SEPARATION,
    MAX_STEPS,
    MAX_TAKES,
    MIN_GUIDANCE,
    MIN_SAMPLE_RATE_HZ,
    MIN_STEPS,
)
from selva_core.base.media import Label, PictureRange
from selva_core.base.render_options import (
    ABSENCES,
    OFF,
    PANS,
    PRECISIONS,
    PRIORITIES,
    QUALITIES,
    SILENT,
    PanOptions,
    SamplingSettings,
)
from selva_core.base.schema import (
    absolute_path,
    encode_hook,
    line,
    one_of,
    prose,
    written_as,
)
from selva_daemon.protocol.body import parse_body
from selva_daemon.protocol.errors import InvalidRequestError
from selva_daemon.protocol.file_names import file_stem_error
from selva_daemon.protocol.picture import PictureFields, picture_to_wire

MAX_LABEL_CHARS = 200
MAX_NAME_CHARS = 120
MAX_MODEL_CHARS = 64
MAX_CUES = 256
MAX_STEMS = 512
MAX_TAKE_NUMBER = 9999
MAX_LABELS = 1000
MAX_TIME_REFERENCE_SAMPLES = 2**53
MAX_PROVENANCE, MAX_PROVENANCE_KEY_CHARS, MAX_PROVENANCE_CHARS = 64, 64, 4000
SPARE_OUTPUT_S = 60


def _name_problem(name: str) -> str | None:
    return file_stem_error(_composed(name))


def _composed(name: str) -> str:
    """macOS hands out decomposed names; composed, a name is the same file on every system."""
    return unicodedata.normalize("NFC", name)


class LabelFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a Label is written."""

    start_sample: Annotated[int, Meta(description="0 to before the end of the file")]
    text: Annotated[str, line(MAX_NAME_CHARS)]
    num_samples: Annotated[int, Meta(description="0, a point, to the rest of the file")] = 0


class SignerFiles(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """PEM files on the daemon's machine that stems are signed with (docs/formats/wav.md)."""

    certificate: Annotated[Path, absolute_path("PEM file")]
    key: Annotated[Path, absolute_path("PEM file")]


class RedoRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A stretch of an earlier take that is made anew, or one that is added before and after it. All other samples of the new
    file are those of the earlier one.
    """

    file: Annotated[
        Path,
        absolute_path(
            "of the earlier take on the daemon's machine: a stem of this picture, made with the job's model, steps, guidance "
            "and quality, of the output's sample rate, and of its length less what is added"
        ),
    ]
    start_sample: (
        Annotated[
            int, Meta(ge=0, description="of the file, where a stretch of it is made anew; with `end_sample`")
        ]
        | UnsetType
    ) = UNSET
    end_sample: (
        Annotated[
            int, Meta(ge=1, description="the first one after the stretch, at most the output's `num_samples`")
        ]
        | UnsetType
    ) = UNSET
    extend_head_samples: Annotated[
        int,
        Meta(
            ge=0,
            description="by how much the take goes on before its start: the job's media and output begin so much earlier. "
            "Not with a stretch",
        ),
    ] = 0
    extend_tail_samples: Annotated[
        int,
        Meta(
            ge=0,
            description="by how much it goes on after its end, or after its sound where silence fills its last frame. "
            "Not with a stretch",
        ),
    ] = 0

    @property
    def extends(self) -> bool:
        return self.extend_head_samples + self.extend_tail_samples > 0

    @property
    def stretch(self) -> tuple[int, int] | None:
        """First and end sample of what is made anew of the file; None where it goes on instead."""
        if self.start_sample is UNSET or self.end_sample is UNSET:
            return None
        return self.start_sample, self.end_sample

    def cross_field_faults(self) -> Iterator[tuple[str, str]]:
        has_edges = self.start_sample is not UNSET, self.end_sample is not UNSET
        if any(has_edges) == self.extends or has_edges[0] != has_edges[1]:
            yield (
                "start_sample",
                "either a stretch is made anew (`start_sample` and `end_sample`), or one of `extend_head_samples` and "
                "`extend_tail_samples` is above 0",
            )
        if self.stretch is not None and self.stretch[1] <= self.stretch[0]:
            yield "end_sample", f"above {self.stretch[0]} is allowed; got {self.stretch[1]}"

    def most_faults(self, num_samples: int) -> Iterator[tuple[str, str]]:
        """Those of a file that becomes `num_samples` long."""
        if self.stretch is not None and self.stretch[1] > num_samples:
            yield "end_sample", f"at most {num_samples} is allowed; got {self.stretch[1]}"
        added = self.extend_head_samples + self.extend_tail_samples
        if added >= num_samples:
            yield "extend_tail_samples", f"with the head less than {num_samples} is allowed; got {added}"


class TakeRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version of a cue. `name` is the file stem before the content key is added."""

    take: Annotated[int, Meta(ge=1, le=MAX_TAKE_NUMBER, description="unique in the cue")]
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)]
    name: Annotated[
        str,
        line(
            MAX_NAME_CHARS,
            "a safe file name without extension, on every system, at most 200 bytes of UTF-8; taken in Unicode's "
            "composed form (NFC); the daemon adds `_`, ten hex digits and `.wav`",
            also=_name_problem,
        ),
    ]
    redo: (
        Annotated[
            RedoRequest,
            Meta(
                description="only this stretch of an earlier take, or what it is extended by, is made, with the cue's prompt "
                "and this seed"
            ),
        ]
        | UnsetType
    ) = UNSET

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "name", _composed(self.name))


class CueRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sound wanted over the job's picture."""

    cue: Annotated[str, line(MAX_NAME_CHARS, "unique in the job")]
    track: Annotated[str, line(MAX_NAME_CHARS)]
    prompt: Annotated[str, prose(MAX_PROMPT_CHARS, "what is heard")]
    negative_prompt: Annotated[str, prose(MAX_PROMPT_CHARS, "what is not heard", may_be_empty=True)] = ""
    takes: Annotated[tuple[TakeRequest, ...], Meta(min_length=1, max_length=MAX_TAKES)]

    def cross_field_faults(self) -> Iterator[tuple[str, str]]:
        if len({take.take for take in self.takes}) != len(self.takes):
            yield "takes", "each take's number is used once in a cue"


class OutputRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where the stems go, their exact length in samples, and what is written beside the sound."""

    folder: Annotated[Path, absolute_path("made when missing")]
    sample_rate_hz: Annotated[int, Meta(ge=MIN_SAMPLE_RATE_HZ, le=MAX_SAMPLE_RATE_HZ)] = field(
        default_factory=lambda: DEFAULT_SAMPLE_RATE_HZ  # a factory, so that omit_defaults leaves it in
    )
    num_samples: Annotated[
        int,
        Meta(description="1 to (duration + 60 s) * rate; each stem has exactly so many"),
    ]
    time_reference_samples: Annotated[
        int | None,
        written_as(
            Annotated[int, Meta(ge=0, le=MAX_TIME_REFERENCE_SAMPLES)],
            "samples since midnight at the first sample, written into `bext` and iXML (docs/formats/wav.md); without it the "
            "file has no clock",
        ),
    ] = None
    labels: Annotated[
        tuple[Label, ...],
        written_as(
            Annotated[tuple[LabelFields, ...], Meta(min_length=1, max_length=MAX_LABELS)],
            "named places in every stem",
        ),
    ] = ()
    signer: Annotated[
        SignerFiles | None,
        written_as(
            SignerFiles, "every stem is signed with these files of the daemon's machine (docs/formats/wav.md)"
        ),
    ] = field(default=None, name="c2pa")


_LATER_DEFAULTS = {
    "quality": "final",
    "precision": "auto",
    "absent": SILENT,
    "look": False,
    "separate": DEFAULT_SEPARATION,
    "pan": OFF,
    "pan_width": 1.0,
    "distance": False,
}
"""Left out of what is sent: daemons of version 0.1.0 refuse fields that they do not know."""


class JobRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `submit`."""

    label: Annotated[str, line(MAX_LABEL_CHARS, "shown in lists")]
    media: Annotated[PictureRange, written_as(PictureFields)]
    model: Annotated[str, line(MAX_MODEL_CHARS, "a row of `selva models list` that is installed")]
    num_steps: Annotated[int, Meta(ge=MIN_STEPS, le=MAX_STEPS)] = DEFAULT_STEPS
    guidance: Annotated[float, Meta(ge=MIN_GUIDANCE, le=MAX_GUIDANCE)] = DEFAULT_GUIDANCE
    quality: Annotated[
        str, one_of(QUALITIES, "in a `draft` the last steps are not guided, which halves their cost")
    ] = "final"
    separate: Annotated[
        float,
        Meta(
            ge=0.0,
            le=MAX_SEPARATION,
            description="how far each stem is led away from the other prompts of the job; 0 for not at all",
        ),
    ] = DEFAULT_SEPARATION
    precision: Annotated[
        str,
        one_of(PRECISIONS, "of the network's large parts; `auto` is the daemon's setting `precision`"),
    ] = "auto"
    priority: Annotated[str, one_of(PRIORITIES, "jobs of the priority `batch` wait for interactive ones")] = (
        "interactive"
    )
    absent: Annotated[
        str,
        one_of(
            ABSENCES,
            "the stem of a sound source that the picture does not show, for models that are calibrated to know it: silent, or as "
            "the model makes it",
        ),
    ] = SILENT
    pan: Annotated[
        str,
        one_of(
            PANS,
            "whether a stem is heard from where the picture shows its source: `envelope` gives the curve in the reply, `stereo` "
            "a panned file of two channels (pan.md)",
        ),
    ] = OFF
    pan_width: Annotated[
        float,
        Meta(ge=0.0, le=1.0, description="how far left and right the picture's edges are heard"),
    ] = 1.0
    distance: Annotated[
        bool, Meta(description="true: the level of a stem follows how large its source is seen (pan.md)")
    ] = False
    look: Annotated[
        bool,
        Meta(
            description="true: nothing is rendered or written; the `presence` of each take says whether the picture "
            "shows what its prompt names"
        ),
    ] = False
    output: OutputRequest
    cues: Annotated[
        tuple[CueRequest, ...],
        Meta(min_length=1, max_length=MAX_CUES, description=f"with at most {MAX_STEMS} takes in a job"),
    ]
    provenance: Annotated[
        Mapping[
            Annotated[str, Meta(min_length=1, max_length=MAX_PROVENANCE_KEY_CHARS)],
            Annotated[str, Meta(max_length=MAX_PROVENANCE_CHARS)],
        ],
        Meta(max_length=MAX_PROVENANCE, description="written into each file"),
    ] = field(default_factory=dict)

    @property
    def sampling(self) -> SamplingSettings:
        return SamplingSettings(
            num_steps=self.num_steps, guidance=self.guidance, quality=self.quality, separate=self.separate
        )

    @property
    def pan_options(self) -> PanOptions:
        return PanOptions(mode=self.pan, width=self.pan_width, distance=self.distance)

    @property
    def num_stems(self) -> int:
        return sum(len(cue.takes) for cue in self.cues)

    def to_wire(self) -> dict[str, Any]:
        """The body of `submit` in plain maps and lists.

        Raises InvalidRequestError for a file name that is no text: POSIX allows any bytes, and the wire has UTF-8.
        """
        # By way of MessagePack: `to_builtins` leaves tuples as they are, and the wire has lists only.
        try:
            packed = msgspec.msgpack.encode(self, enc_hook=encode_hook)
        except UnicodeEncodeError as exc:
            raise InvalidRequestError(
                f"a job holds text in UTF-8 only, and {exc.object!a} is none: rename the file or folder that is called so"
            ) from exc
        body: dict[str, Any] = msgspec.msgpack.decode(packed)
        for name, value in _LATER_DEFAULTS.items():
            if body[name] == value:
                del body[name]
        return {**body, "media": picture_to_wire(self.media)}

    def cross_field_faults(self) -> Iterator[tuple[str, str]]:
        if len({cue.cue for cue in self.cues}) != len(self.cues):
            yield "cues", "each cue's id is used once in a job"
        if self.num_stems > MAX_STEMS:
            yield (
                "cues",
                f"a job has at most {MAX_STEMS} stems; got {self.num_stems}. Send more jobs with fewer cues",
            )
        max_samples = int((self.media.duration_s + SPARE_OUTPUT_S) * self.output.sample_rate_hz)
        num_samples = self.output.num_samples
        if not 1 <= num_samples <= max_samples:
            yield "output.num_samples", f"1 to {max_samples} is allowed; got {num_samples}"
            num_samples = 1
        for number, cue in enumerate(self.cues):
            for index, take in enumerate(cue.takes):
                if take.redo is not UNSET:
                    at = f"cues[{number}].takes[{index}].redo"
                    yield from ((f"{at}.{name}", fault) for name, fault in take.redo.most_faults(num_samples))
        for index, label in enumerate(self.output.labels):
            at, start = f"output.labels[{index}]", label.start_sample
            if not 0 <= start < num_samples:
                yield f"{at}.start_sample", f"0 to {num_samples - 1} is allowed; got {start}"
                start = 0
            if not 0 <= label.num_samples <= num_samples - start:
                yield f"{at}.num_samples", f"0 to {num_samples - start} is allowed; got {label.num_samples}"


def parse_job(body: object) -> JobRequest:
    """The job in a `submit` body. Raises InvalidRequestError with one fault per wrong field; touches no disk."""
    return parse_body(body, JobRequest)
