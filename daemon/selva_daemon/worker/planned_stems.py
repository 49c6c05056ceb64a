"""The stems that a job asks for: what each is made from, where it goes, and what is told about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from selva_core.engine import StemRequest
from selva_daemon.protocol.job import CueRequest, JobRequest, TakeRequest
from selva_daemon.protocol.status import StemResult
from selva_daemon.worker.content_key import KEY_CHARS_IN_NAMES, file_key, waveform_key
from selva_daemon.worker.media_identity import identify_picture
from selva_daemon.worker.model_info import ModelInfo


@dataclass(frozen=True, kw_only=True)
class PlannedStem:
    """One stem of a job: who asked for it, the name of the waveform it is made of, and the fingerprint of who signs
    it."""

    job: JobRequest
    cue: CueRequest
    take: TakeRequest
    request: StemRequest
    waveform_key: str
    signer: str | None = None

    def file_in(self, folder: Path) -> Path:
        """The file's name says what is in it: the same request gives the same name, another never the same."""
        key = file_key(
            self.waveform_key, output=self.job.output, provenance=self._asked_facts, signer=self.signer
        )
        return folder / f"{self.take.name}_{key[:KEY_CHARS_IN_NAMES]}.wav"

    def provenance(self, facts: ModelInfo) -> dict[str, str]:
        """What the job was given, and what made the sound; nothing that differs between two runs of the same job."""
        return {
            **self._asked_facts,
            "prompt": self.cue.prompt,
            "negative_prompt": self.cue.negative_prompt,
            "seed": str(self.take.seed),
            "model": facts.model_id,
            "weights_sha256": facts.weights_sha256,
            "licence": facts.licence,
            "num_steps": str(self.job.sampling.num_steps),
            "guidance": f"{self.job.sampling.guidance:g}",
        }

    def result(self, file: Path, *, cached: bool, warnings: Sequence[str]) -> StemResult:
        return StemResult(
            cue=self.cue.cue,
            track=self.cue.track,
            take=self.take.take,
            seed=self.take.seed,
            file=str(file),
            sample_rate_hz=self.job.output.sample_rate_hz,
            num_samples=self.job.output.num_samples,
            cached=cached,
            warnings=tuple(warnings),
        )

    @property
    def _asked_facts(self) -> dict[str, str]:
        names = {"track": self.cue.track, "cue": self.cue.cue, "take": str(self.take.take)}
        return {**self.job.provenance, **names}


def plan_stems(job: JobRequest, facts: ModelInfo) -> list[PlannedStem]:
    """One per cue and take, in the job's order. Raises MediaError; RequestError, OutputError when nothing can be signed."""
    identity = identify_picture(job.media)
    signer = None
    if job.output.signer is not None:
        job.output.signer.check()
        signer = job.output.signer.fingerprint()
    stems = []
    for cue in job.cues:
        for take in cue.takes:
            request = StemRequest(prompt=cue.prompt, negative_prompt=cue.negative_prompt, seed=take.seed)
            key = waveform_key(
                identity=identity,
                media=job.media,
                request=request,
                model=facts.model_id,
                weights_sha256=facts.weights_sha256,
                sampling=job.sampling,
            )
            stems.append(
                PlannedStem(job=job, cue=cue, take=take, request=request, waveform_key=key, signer=signer)
            )
    return stems
