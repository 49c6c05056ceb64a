"""The stems that a job asks for: what each is made from, which file it becomes, and what is written into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from msgspec import UNSET

from selva_core.audio.credentials import Signer
from selva_core.base.pan import AS_MADE, Panning
from selva_core.base.render_options import SILENT, STEREO, separation_provenance, siblings_of
from selva_core.engine import Evidence, StemRequest
from selva_daemon.protocol.job import CueRequest, JobRequest, SignerFiles, TakeRequest
from selva_daemon.protocol.recipe import picture_provenance
from selva_daemon.protocol.status import Sight, StemHints, StemResult
from selva_daemon.worker.content_key import KEY_CHARS_IN_NAMES, file_key, waveform_key
from selva_daemon.worker.media_identity import OnHashed, identify_picture
from selva_daemon.worker.model_info import ModelInfo
from selva_daemon.worker.planned_redo import FindLatents, PlannedRedo, plan_redo


@dataclass(frozen=True, kw_only=True)
class PlannedStem:
    """One stem of a job. waveform_key: of the sound it is made of. signer: fingerprint of the signer, None for no signature.
    redo: set where a stretch of an earlier take is made, or one is added to it. media_bytes: size of the picture's media.
    """

    job: JobRequest
    cue: CueRequest
    take: TakeRequest
    request: StemRequest
    waveform_key: str
    signer: str | None = None
    redo: PlannedRedo | None = None
    media_bytes: int = 0

    def file_in(self, folder: Path, *, is_silenced: bool) -> Path:
        """The name ends in a key of the content: equal requests give equal names, different requests different ones."""
        key = file_key(
            self.waveform_key,
            output=self.job.output,
            provenance=self._request_provenance,
            signer=self.signer,
            is_silenced=is_silenced,
            pan=self.job.pan_options,
            spliced_into=None if self.redo is None else self.redo.audio_sha256,
        )
        return folder / f"{self.take.name}_{key[:KEY_CHARS_IN_NAMES]}.wav"

    def provenance(self, model: ModelInfo, *, is_silenced: bool) -> dict[str, str]:
        """What the job was given and what made the sound. Nothing in it differs between two runs of the same job, so that
        their files have the same bytes.
        """
        return {
            **({"absent": SILENT} if is_silenced else {}),
            **({"pan": STEREO, "pan_width": f"{self.job.pan_width:g}"} if self.job.pan == STEREO else {}),
            **({"distance": "yes"} if self.job.distance else {}),
            **self._request_provenance,
            "prompt": self.cue.prompt,
            "negative_prompt": self.cue.negative_prompt,
            "seed": str(self.take.seed),
            "model": model.model_id,
            "weights_sha256": model.weights_sha256,
            "licence": model.licence,
            "num_steps": str(self.job.num_steps),
            "guidance": f"{self.job.guidance:g}",
            **({} if self.job.quality == "final" else {"quality": self.job.quality}),
            **({"precision": model.key_precision} if model.key_precision else {}),
            **separation_provenance(self.job.separate, self.request.siblings),
            **picture_provenance(self.job.media, size_bytes=self.media_bytes),
            **({} if self.redo is None else self.redo.recipe.provenance()),
        }

    def result(
        self,
        file: Path | None,
        *,
        cached: bool,
        warnings: Sequence[str],
        evidence: Evidence | None,
        evidence_file: Path | None,
        is_silenced: bool,
        sight: Sight | None = None,
        panning: Panning = AS_MADE,
        hints: StemHints | None = None,
    ) -> StemResult:
        return StemResult(
            cue=self.cue.cue,
            track=self.cue.track,
            take=self.take.take,
            seed=self.take.seed,
            file="" if file is None else str(file),
            sample_rate_hz=self.job.output.sample_rate_hz,
            num_samples=self.job.output.num_samples,
            cached=cached,
            warnings=tuple(warnings),
            presence=None if evidence is None else round(evidence.whole, 4),
            evidence=None if evidence_file is None else str(evidence_file),
            silenced=is_silenced,
            sight=sight,
            num_channels=panning.num_channels,
            pan=() if panning.pan is None or self.job.pan == STEREO else panning.pan.points,
            hints=hints,
        )

    @property
    def _request_provenance(self) -> dict[str, str]:
        names = {"track": self.cue.track, "cue": self.cue.cue, "take": str(self.take.take)}
        return {**self.job.provenance, **names}


def plan_stems(
    job: JobRequest,
    model: ModelInfo,
    *,
    on_hashed: OnHashed = lambda done, total: None,
    find_latents: FindLatents = lambda key: None,
) -> list[PlannedStem]:
    """One per cue and take, in the job's order. `on_hashed` hears of the hashing of a large file. find_latents: those of an
    earlier stem, by its waveform key, if they were kept.

    Raises MediaError, what `on_hashed` raises; RequestError for a stretch that does not fit its take, and RequestError,
    OutputError when nothing can be signed.
    """
    identity = identify_picture(job.media, on_hashed=on_hashed)
    fingerprint = _fingerprint(job)
    key_of = partial(
        waveform_key,
        identity=identity,
        model=model.model_id,
        weights_sha256=model.weights_sha256,
        sampling=job.sampling,
        precision=model.key_precision,
    )
    stems = []
    prompts = [cue.prompt for cue in job.cues]
    for cue in job.cues:
        for take in cue.takes:
            redo = None
            request = StemRequest(
                prompt=cue.prompt,
                negative_prompt=cue.negative_prompt,
                seed=take.seed,
                siblings=siblings_of(cue.prompt, prompts) if job.separate else (),
            )
            if take.redo is not UNSET:
                redo = plan_redo(job, cue, take, take.redo, model, media_bytes=identity.size_bytes)
                request = redo.request(
                    job.media, lambda media, earlier: find_latents(key_of(media=media, request=earlier))
                )
            stems.append(
                PlannedStem(
                    job=job,
                    cue=cue,
                    take=take,
                    request=request,
                    waveform_key=key_of(media=job.media, request=request),
                    signer=fingerprint,
                    redo=redo,
                    media_bytes=identity.size_bytes,
                )
            )
    return stems


def signer_of(files: SignerFiles) -> Signer:
    return Signer(certificate=files.certificate, key=files.key)


def _fingerprint(job: JobRequest) -> str | None:
    """Of the job's signer, None without one. Raises RequestError, OutputError when nothing can be signed."""
    if job.output.signer is None:
        return None
    signer = signer_of(job.output.signer)
    signer.check()
    return signer.fingerprint()
