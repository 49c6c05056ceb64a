"""A stretch of an earlier take that a job makes anew: checked against the take's file, before anything is rendered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from selva_core.base.errors import RequestError
from selva_core.base.media import PictureRange
from selva_core.base.render_options import OFF, STEREO, PanOptions, siblings_of
from selva_core.engine import RedoneStretch, StemRequest
from selva_daemon.protocol.job import CueRequest, JobRequest, RedoRequest, TakeRequest
from selva_daemon.protocol.recipe import RecipeStretch, StemRecipe
from selva_daemon.worker.model_info import ModelInfo

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from selva_core.audio.splice import Splice

FindLatents: TypeAlias = "Callable[[str], npt.NDArray[np.float32] | None]"
"""The latents of an earlier stem by its waveform key; None where they were not kept."""


@dataclass(frozen=True, kw_only=True)
class PlannedRedo:
    """recipe: of the new take, its last stretch being the new one. audio_sha256: of the earlier take's samples."""

    recipe: StemRecipe
    splice: Splice
    audio_sha256: str
    warnings: tuple[str, ...] = ()

    def request(self, find_latents: Callable[[StemRequest], npt.NDArray[np.float32] | None]) -> StemRequest:
        """What the engine makes, with the latents of the earlier take where they were kept."""
        request = build_request(self.recipe)
        if request.redo is None:
            return request
        return replace(request, redo=replace(request.redo, base_latents=find_latents(request.redo.base)))


def build_request(recipe: StemRecipe) -> StemRequest:
    """The request that makes a stem, each of its stretches as a request on what was there before it."""
    request = StemRequest(
        prompt=recipe.prompt,
        negative_prompt=recipe.negative_prompt,
        seed=recipe.seed,
        siblings=siblings_of(recipe.prompt, recipe.siblings),
    )
    for stretch in recipe.stretches:
        request = StemRequest(
            prompt=stretch.prompt,
            negative_prompt=stretch.negative_prompt,
            seed=stretch.seed,
            siblings=siblings_of(stretch.prompt, recipe.siblings),
            redo=RedoneStretch(base=request, start_s=stretch.start_s, end_s=stretch.end_s),
        )
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
    _require_same_making(recipe, job, model, name=redo.file.name)
    sample_rate_hz = job.output.sample_rate_hz
    start_s = Fraction(redo.start_sample, sample_rate_hz)
    if start_s >= job.media.duration_s:
        raise RequestError(
            f"the stretch begins {float(start_s):.3f} s into the stem, and its sound ends at {float(job.media.duration_s):.3f} s"
        )
    stretch = RecipeStretch(
        start_s=start_s,
        end_s=Fraction(redo.end_sample, sample_rate_hz),
        prompt=cue.prompt,
        negative_prompt=cue.negative_prompt,
        seed=take.seed,
    )
    warnings: tuple[str, ...] = ()
    if recipe.picture_bytes not in (0, media_bytes):
        warnings = (
            f"{job.media.path.name} is not the file that {redo.file.name} was made for ({media_bytes} bytes, not "
            f"{recipe.picture_bytes}), so that the new stretch may not fit at its edges",
        )
    return PlannedRedo(
        recipe=recipe.with_stretch(stretch),
        splice=Splice(file=redo.file, start_sample=redo.start_sample, end_sample=redo.end_sample),
        audio_sha256=audio.digest(),
        warnings=warnings,
    )


def _require_same_making(recipe: StemRecipe, job: JobRequest, model: ModelInfo, *, name: str) -> None:
    """The stretch fits to latents that are made as those of the take were. Raises RequestError."""
    pairs = {
        "model": (recipe.model, model.model_id),
        "weights": (recipe.weights_sha256[:12], model.weights_sha256[:12]),
        "steps": (recipe.sampling.num_steps, job.num_steps),
        "guidance": (f"{recipe.sampling.guidance:g}", f"{job.guidance:g}"),
        "quality": (recipe.sampling.quality, job.quality),
        "pan": (_describe_pan(recipe.pan), _describe_pan(job.pan_options)),
        "separation": (f"{recipe.sampling.separate:g}", f"{job.separate:g}"),
        "precision": (recipe.precision, model.key_precision),
    }
    if recipe.picture is not None:
        pairs["picture range"] = (_show(recipe.picture), _show(job.media))
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


def _show(picture: PictureRange) -> str:
    """All but the path: media may be moved."""
    images = "" if picture.images is None else f", {float(picture.images.rate_hz):g} images a second"
    return f"{picture.start_s} s for {picture.duration_s} s at speed {picture.speed}{images}"
