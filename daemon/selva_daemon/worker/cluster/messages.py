"""What travels between the worker and a device actor: MessagePack in bytes.

Ray pickles arguments and results. Bytes of a schema of ours are all that it is given here, so that neither side builds
objects that the other one chose.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from fractions import Fraction
from typing import TypeVar

import msgspec
from msgspec import Struct

import selva_core
from selva_core.base.errors import SelvaError
from selva_core.engine import RedoneStretch, RenderProgress, SamplingSettings, StemRequest
from selva_daemon.protocol.body import reply_decode_hook, reply_encode_hook
from selva_daemon.worker.model_info import ModelInfo
from selva_daemon.worker.stem_cache import EvidenceHeader, LatentsHeader

MESSAGES_VERSION = 2
"""Raised with every change of this module; other versions of Selva Bridge are refused anyway."""
T = TypeVar("T")


class Versions(Struct, frozen=True, kw_only=True):
    """What must be the same on both sides: equal versions make equal bytes. python: major and minor."""

    selva: str
    messages: int
    python: str
    ray: str

    @classmethod
    def here(cls, ray_version: str) -> Versions:
        python = ".".join(platform.python_version_tuple()[:2])
        return cls(selva=selva_core.__version__, messages=MESSAGES_VERSION, python=python, ray=ray_version)


class DeviceSetup(Struct, frozen=True, kw_only=True):
    """How an actor is to use its device. folder: a name for what it keeps on its node, unlike that of any other actor."""

    device: str
    precision: str
    acceleration: str
    memory: str = "auto"
    feature_cache_bytes: int
    folder: str
    num_threads: int


class StretchMessage(Struct, frozen=True, kw_only=True):
    """A `RedoneStretch`."""

    base: StemMessage
    start_s: Fraction
    end_s: Fraction
    base_latents: LatentsHeader | None = None


class StemMessage(Struct, frozen=True, kw_only=True):
    """A `StemRequest`."""

    prompt: str
    negative_prompt: str
    seed: int
    siblings: tuple[str, ...]
    redo: StretchMessage | None = None

    @classmethod
    def of(cls, request: StemRequest) -> StemMessage:
        redo = request.redo
        return cls(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            seed=request.seed,
            siblings=request.siblings,
            redo=None
            if redo is None
            else StretchMessage(
                base=cls.of(redo.base),
                start_s=redo.start_s,
                end_s=redo.end_s,
                base_latents=None if redo.base_latents is None else LatentsHeader.of(redo.base_latents),
            ),
        )

    def to_request(self) -> StemRequest:
        redo = self.redo
        return StemRequest(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            seed=self.seed,
            siblings=self.siblings,
            redo=None
            if redo is None
            else RedoneStretch(
                base=redo.base.to_request(),
                start_s=redo.start_s,
                end_s=redo.end_s,
                base_latents=None if redo.base_latents is None else redo.base_latents.to_array(),
            ),
        )


class PictureMessage(Struct, frozen=True, kw_only=True):
    """A small picture and what to render over it. name: of its file, by its content."""

    name: str
    duration_s: Fraction
    requests: tuple[StemMessage, ...]


class Call(Struct, frozen=True, kw_only=True):
    """What an actor is asked for. number: of the call, by which its progress is asked for. pictures: none where only the model
    is to be loaded. looks: whether nothing is rendered, as in `Engine.look`.
    """

    number: int
    model: str
    precision: str
    pictures: tuple[PictureMessage, ...] = ()
    sampling: SamplingSettings = SamplingSettings()
    looks: bool = False


class PictureResult(Struct, frozen=True, kw_only=True):
    """waveforms: as `pack_waveform` makes them. sights: of a look."""

    waveforms: tuple[bytes, ...] = ()
    sights: tuple[EvidenceHeader | None, ...] = ()
    error: SelvaError | None = None


class CallResult(Struct, frozen=True, kw_only=True):
    """pictures: in the order of the call. error: of the whole call; then there are none."""

    pictures: tuple[PictureResult, ...] = ()
    info: ModelInfo | None = None
    device_report: str = ""
    max_batch_pictures: int = 1
    error: SelvaError | None = None


class PictureProgress(Struct, frozen=True, kw_only=True):
    """The latest `RenderProgress` of a picture of a call."""

    index: int
    stage: str
    fraction: float
    step: int
    num_steps: int
    work_left: dict[str, float]

    @classmethod
    def of(cls, index: int, progress: RenderProgress) -> PictureProgress:
        return cls(
            index=index,
            stage=progress.stage,
            fraction=progress.fraction,
            step=progress.step,
            num_steps=progress.num_steps,
            work_left=dict(progress.work_left),
        )

    def to_progress(self) -> RenderProgress:
        return RenderProgress(
            stage=self.stage,
            fraction=self.fraction,
            step=self.step,
            num_steps=self.num_steps,
            work_left=self.work_left,
        )


class News(Struct, frozen=True, kw_only=True):
    """What has changed since the news before. is_loaded: whether the model is loaded."""

    progress: tuple[PictureProgress, ...] = ()
    is_loaded: bool = False


def encode(message: Struct) -> bytes:
    return msgspec.msgpack.encode(message, enc_hook=reply_encode_hook)


def decode(packed: bytes, kind: type[T]) -> T:
    """Raises msgspec.MsgspecError."""
    return msgspec.msgpack.decode(packed, type=kind, dec_hook=reply_decode_hook)


def describe_mismatch(own: Versions, theirs: Versions) -> str:
    """A sentence on what differs; "" where nothing does."""
    names: Sequence[tuple[str, str, str]] = (
        ("Selva Bridge", own.selva, theirs.selva),
        ("Ray", own.ray, theirs.ray),
        ("Python", own.python, theirs.python),
    )
    differing = [f"{name} {there} there and {here} here" for name, here, there in names if here != there]
    if not differing and own.messages != theirs.messages:
        differing = ["another state of Selva Bridge there than here"]
    if not differing:
        return ""
    return f"{', '.join(differing)}; install the same versions on both, and start Ray there again"
