"""A stretch that a job makes anew in an earlier take, or adds to it: checked against the take's file, before anything is
rendered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from selva_core.base.errors import RequestError
from selva_core.base.media import PictureRange
from selva_core.base.render_options import OFF, STEREO, PanOptions, siblings_of
from selva_core.engine import Extension, RedoneStretch, StemRequest
from selva_daemon.protocol.job import CueRequest, JobRequest, RedoRequest, TakeRequest
from selva_daemon.protocol.recipe import RecipeExtension, RecipeStep, RecipeStretch, StemRecipe
from selva_daemon.worker.model_info import ModelInfo

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from selva_core.audio.splice import Splice
    from selva_core.audio.wav import WaveAudio

FindLatents: TypeAlias = "Callable[[str], npt.NDArray[np.float32] | None]"
"""The latents of an earlier stem by its waveform key; None where they were not kept."""
FindLatentsOf: TypeAlias = "Callable[[PictureRange, StemRequest], npt.NDArray[np.float32] | None]"
"""The same by what the stem was made from."""
_SAME_S = Fraction(1, 1_000_000)
"""Ranges that differ by less are the same: odd speeds are rounded to what a job can carry."""
_SHORT_S = Fraction(1, 1000)
"""A file is a whole number of samples long, and begins and ends with frames."""
_MOST_PADDING_S = 1
"""A file is padded with silence to whole frames of its timeline."""


@dataclass(frozen=True, kw_only=True)
class PlannedRedo:
    """recipe: of the new take, its last stretch being the new one. audio_sha256: of the earlier take's samples."""

    recipe: StemRecipe
    splice: Splice
    audio_sha256: str
    warnings: tuple[str, ...] = ()

    def request(self, media: PictureRange, find_latents: FindLatentsOf) -> StemRequest:
        """What the engine makes over `media`, with the latents of the earlier take where they were kept."""
        return _with_latents(build_request(self.recipe), media, find_latents)


def build_request(recipe: StemRecipe) -> StemRequest:
    """The request that makes a stem, each of its stretches as a request on what was there before it."""
    request = StemRequest(
        prompt=recipe.prompt,
        negative_prompt=recipe.negative_prompt,
        seed=recipe.seed,
        siblings=siblings_of(recipe.prompt, recipe.siblings),
    )
    for step in recipe.stretches:
        on_top = StemRequest(
            prompt=step.prompt,
            negative_prompt=step.negative_prompt,
            seed=step.seed,
            siblings=siblings_of(step.prompt, recipe.siblings),
        )
        if isinstance(step, RecipeStretch):
            redo = RedoneStretch(base=request, start_s=step.start_s, end_s=step.end_s)
            request = replace(on_top, redo=redo)
        else:
            extends = Extension(base=request, head_s=step.head_s, tail_s=step.tail_s)
            request = replace(on_top, extends=extends)
    return request


def _with_latents(request: StemRequest, media: PictureRange, find_latents: FindLatentsOf) -> StemRequest:
    """The request with the latents of the latest earlier stem that were kept."""
    if request.redo is not None:
        base = request.redo.base
        latents = find_latents(media, base)
        if latents is None:
            base = _with_latents(base, media, find_latents)
        return replace(request, redo=replace(request.redo, base=base, base_latents=latents))
    if request.extends is not None:
        base, inner = request.extends.base, request.extends.inner_range(media)
        latents = find_latents(inner, base)
        if latents is None:
            base = _with_latents(base, inner, find_latents)
        return replace(request, extends=replace(request.extends, base=base, base_latents=latents))
    return request


def plan_redo(
    job: JobRequest,
    cue: CueRequest,
    take: TakeRequest,
    redo: RedoRequest,
    model: ModelInfo,
    *,
    media_bytes: int,
) -> PlannedRedo:
    """Raises MediaNotFoundError, MediaUnreadableError; RequestError where the take was made in another way than the job's."""
    from selva_core.audio.provenance import read_provenance  # noqa: PLC0415
    from selva_core.audio.splice import Splice, open_earlier_audio  # noqa: PLC0415 - loads numpy; the server imports this module

    audio, provenance = open_earlier_audio(redo.file), read_provenance(redo.file)
    if provenance is None:
        raise RequestError(
            f"{redo.file.name} is no stem of Selva Bridge, so that no stretch of it can be made anew"
        )
    recipe = StemRecipe.parse(provenance, name=redo.file.name)
    added_s = (
        Fraction(redo.extend_head_samples, job.output.sample_rate_hz),
        Fraction(redo.extend_tail_samples, job.output.sample_rate_hz),
    )
    earlier = job.media.part(added_s[0], job.media.duration_s - sum(added_s))
    _require_same_making(recipe, job, model, earlier, name=redo.file.name)
    step: RecipeStep
    if redo.stretch is not None:
        step = _plan_stretch(job, cue, take, redo.stretch)
        splice = Splice(file=redo.file, stretches=(redo.stretch,))
    else:
        step = RecipeExtension(
            head_s=added_s[0],
            tail_s=added_s[1],
            prompt=cue.prompt,
            negative_prompt=cue.negative_prompt,
            seed=take.seed,
        )
        splice = _splice_beside(audio, _measure_padding(audio, job, earlier, redo), redo)
    return PlannedRedo(
        recipe=recipe.with_stretch(step),
        splice=splice,
        audio_sha256=audio.digest(),
        warnings=tuple(_iter_media_warnings(recipe, job, redo, media_bytes)),
    )


def _splice_beside(audio: WaveAudio, padding: int, redo: RedoRequest) -> Splice:
    from selva_core.audio.splice import Splice  # noqa: PLC0415 - loads numpy

    return Splice.beside(
        redo.file,
        num_samples=audio.num_samples - padding,
        head_samples=redo.extend_head_samples,
        tail_samples=redo.extend_tail_samples,
        padding_samples=padding,
    )


def _iter_media_warnings(
    recipe: StemRecipe, job: JobRequest, redo: RedoRequest, media_bytes: int
) -> Iterator[str]:
    if recipe.picture_bytes not in (0, media_bytes):
        yield (
            f"{job.media.path.name} is not the file that {redo.file.name} was made for ({media_bytes} bytes, not "
            f"{recipe.picture_bytes}), so that the new stretch may not fit at its edges"
        )


def _plan_stretch(
    job: JobRequest, cue: CueRequest, take: TakeRequest, stretch: tuple[int, int]
) -> RecipeStretch:
    """Raises RequestError for a stretch after the sound's end."""
    start_s, end_s = (Fraction(edge, job.output.sample_rate_hz) for edge in stretch)
    if start_s >= job.media.duration_s:
        raise RequestError(
            f"the stretch begins {float(start_s):.3f} s into the stem, and its sound ends at {float(job.media.duration_s):.3f} s"
        )
    return RecipeStretch(
        start_s=start_s,
        end_s=end_s,
        prompt=cue.prompt,
        negative_prompt=cue.negative_prompt,
        seed=take.seed,
    )


def _measure_padding(audio: WaveAudio, job: JobRequest, earlier: PictureRange, redo: RedoRequest) -> int:
    """How many samples of silence at the end of a take, which fill its last frame, give way to what goes on there. Raises
    RequestError where the take does not go on where its sound does.
    """
    rate_hz, num_samples = job.output.sample_rate_hz, audio.num_samples
    wanted = job.output.num_samples - redo.extend_head_samples - redo.extend_tail_samples
    padding = num_samples - wanted
    is_padded = bool(redo.extend_tail_samples) and 0 < padding <= _MOST_PADDING_S * rate_hz
    is_padded = is_padded and abs(Fraction(wanted, rate_hz) - earlier.duration_s) <= _SHORT_S
    if is_padded and not audio.read(wanted, num_samples).any():
        return padding
    if padding:
        raise RequestError(
            f"{redo.file.name} is {num_samples} samples long, and the output less what is added {wanted}; an extended take is as "
            "much longer as is added to it"
        )
    if redo.extend_tail_samples and abs(Fraction(num_samples, rate_hz) - earlier.duration_s) > _SHORT_S:
        raise RequestError(
            f"{redo.file.name} is {num_samples / rate_hz:.3f} s long and its picture {float(earlier.duration_s):.3f} s, so that "
            "nothing fits to its end; render the whole stem again"
        )
    return 0


def _require_same_making(
    recipe: StemRecipe, job: JobRequest, model: ModelInfo, earlier: PictureRange, *, name: str
) -> None:
    """The stretch fits to latents that are made as those of the take were. earlier: what the job's media has of its picture.
    Raises RequestError.
    """
    pairs: dict[str, tuple[object, object]] = {
        "model": (recipe.model, model.model_id),
        "weights": (recipe.weights_sha256[:12], model.weights_sha256[:12]),
        "steps": (recipe.sampling.num_steps, job.num_steps),
        "guidance": (f"{recipe.sampling.guidance:g}", f"{job.guidance:g}"),
        "quality": (recipe.sampling.quality, job.quality),
        "pan": (_describe_pan(recipe.pan), _describe_pan(job.pan_options)),
        "separation": (f"{recipe.sampling.separate:g}", f"{job.separate:g}"),
        "precision": (recipe.precision, model.key_precision),
    }
    if recipe.picture is not None and not _is_same_range(recipe.picture, earlier):
        pairs["picture range"] = (_show(recipe.picture), _show(earlier))
    wrong = [f"{what} {was}, not {now}" for what, (was, now) in pairs.items() if was != now]
    if wrong:
        raise RequestError(
            f"{name} was made with {'; '.join(wrong)}: a stretch that fits it is made in the same way. Render the whole stem "
            "again instead"
        )


def _describe_pan(pan: PanOptions) -> str:
    """What is in the file: an envelope lies on the timeline."""
    place = f"{STEREO} of width {pan.width:g}" if pan.mode == STEREO else OFF
    return f"{place} with the level of the distance" if pan.distance else place


def _is_same_range(one: PictureRange, other: PictureRange) -> bool:
    rates_hz = [None if each.images is None else each.images.rate_hz for each in (one, other)]
    return (one.speed, rates_hz[0]) == (other.speed, rates_hz[1]) and all(
        abs(first - second) < _SAME_S
        for first, second in ((one.start_s, other.start_s), (one.duration_s, other.duration_s))
    )


def _show(picture: PictureRange) -> str:
    """All but the path: media may be moved."""
    images = "" if picture.images is None else f", {float(picture.images.rate_hz):g} images a second"
    return f"{picture.start_s} s for {picture.duration_s} s at speed {picture.speed}{images}"
