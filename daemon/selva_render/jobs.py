"""From a cue sheet to jobs: one per clip, with all its prompts and takes, so that its picture is decoded once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from selva_core.base.media import Label, PictureRange
from selva_core.base.render_options import RenderOptions
from selva_core.base.schema import MAX_DENOMINATOR
from selva_daemon.protocol.job import (
    MAX_CUES,
    MAX_LABEL_CHARS,
    MAX_NAME_CHARS,
    MAX_STEMS,
    CueRequest,
    JobRequest,
    OutputRequest,
    SignerFiles,
    TakeRequest,
)
from selva_otio import Cue, CueSheet, SpottedClip, StemSpan, measure_span
from selva_otio.placement.stem_names import NameParts, build_stem_name, ensure_unique
from selva_otio.time.clock import sample_index
from selva_render.options import OutputOptions, choose_model, settle_sampling


@dataclass(frozen=True, kw_only=True)
class ClipJob:
    """One job for the daemon: a clip and its cues (some of them, when one job cannot hold all)."""

    clip: SpottedClip
    cues: tuple[Cue, ...]
    request: JobRequest


def build_jobs(
    sheet: CueSheet,
    options: RenderOptions,
    output: OutputOptions,
    *,
    timeline_name: str,
    looks: bool = False,
) -> list[ClipJob]:
    """The jobs of a cue sheet, in record order. looks: they only say what the picture shows. Raises UnknownModelError."""
    return list(iter_jobs(sheet, options, output, timeline_name=timeline_name, looks=looks))


def iter_jobs(
    sheet: CueSheet,
    options: RenderOptions,
    output: OutputOptions,
    *,
    timeline_name: str,
    looks: bool = False,
) -> Iterator[ClipJob]:
    """As `build_jobs`, each when it is asked for: the first of a long cut can run before the last is made."""
    builder = _JobBuilder(sheet, options, output, timeline_name, looks=looks)
    most_takes = max([options.num_takes, *(cue.num_takes or 1 for cue in sheet.cues)])
    chunk_size = min(MAX_CUES, MAX_STEMS // most_takes)
    for clip, cues in sheet.iter_jobs():
        for first in range(0, len(cues), chunk_size):
            yield builder.build(clip, cues[first : first + chunk_size])


def build_picture_range(clip: SpottedClip, *, path: Path | None = None) -> PictureRange:
    """The range of media that models look at for a clip, handles included. path: of its file, with links followed."""
    return PictureRange(
        path=path or clip.picture_path.resolve(),
        start_s=_limit_denominator(clip.picture_start_s),
        duration_s=_limit_denominator(clip.sound_duration_s),
        speed=_limit_denominator(clip.picture_speed),
        images=clip.picture_images,
    )


def _limit_denominator(value: Fraction) -> Fraction:
    """The nearest rational that a job can carry; retimes at odd speeds have denominators beyond what the protocol takes."""
    return value.limit_denominator(MAX_DENOMINATOR)


class _JobBuilder:
    """Gives every stem of one render its own file name."""

    def __init__(
        self,
        sheet: CueSheet,
        options: RenderOptions,
        output: OutputOptions,
        timeline_name: str,
        *,
        looks: bool,
    ) -> None:
        self._clock = sheet.clock
        self._options = options
        self._output = output
        self._model = choose_model(options.model)
        self._sampling = settle_sampling(options)
        self._timeline_name = timeline_name
        self._looks = looks
        self._names: set[str] = set()
        # Following links asks the disk for every folder of a path, and many clips show one file.
        self._stems_folder = output.stems_folder.resolve()
        self._picture_paths: dict[Path, Path] = {}

    def build(self, clip: SpottedClip, cues: Sequence[Cue]) -> ClipJob:
        options = self._options
        span = measure_span(clip, self._clock, options.sample_rate_hz)
        time_reference_samples = self._time_reference_samples(clip)
        record_timecode = self._clock.timecode(clip.record_start_s)
        request = JobRequest(
            label=" ".join(clip.name.split())[:MAX_LABEL_CHARS],
            media=build_picture_range(clip, path=self._resolve(clip.picture_path)),
            model=self._model,
            output=self._build_output(clip, span, time_reference_samples),
            cues=tuple(self._build_cue(cue, record_timecode) for cue in cues),
            num_steps=self._sampling.num_steps,
            guidance=self._sampling.guidance,
            quality=self._sampling.quality,
            separate=self._sampling.separate,
            precision=options.precision,
            priority=options.priority,
            absent=options.absent,
            pan=options.pan.mode,
            pan_width=options.pan.width,
            distance=options.pan.distance,
            look=self._looks,
            provenance=self._build_provenance(clip, span, time_reference_samples, record_timecode),
        )
        return ClipJob(clip=clip, cues=tuple(cues), request=request)

    def _resolve(self, path: Path) -> Path:
        if path not in self._picture_paths:
            self._picture_paths[path] = path.resolve()
        return self._picture_paths[path]

    def _build_output(self, clip: SpottedClip, span: StemSpan, time_reference_samples: int) -> OutputRequest:
        """Where the stem's file goes and what it says. With handles, the range that lies in the cut is labelled."""
        sample_rate_hz, output = self._options.sample_rate_hz, self._output
        signer = output.signer
        is_stamped = output.profile.has_time_reference and time_reference_samples >= 0
        used_range = Label(
            start_sample=span.offset_samples,
            num_samples=sample_index(clip.record_end_s, sample_rate_hz) - span.start_sample,
            text=" ".join(f"in the cut: {clip.name}".split())[:MAX_NAME_CHARS],
        )
        return OutputRequest(
            folder=self._stems_folder,
            num_samples=span.num_samples,
            sample_rate_hz=sample_rate_hz,
            time_reference_samples=time_reference_samples if is_stamped else None,
            labels=(used_range,) if clip.handle_before_s or clip.handle_after_s else (),
            signer=None if signer is None else SignerFiles(certificate=signer.certificate, key=signer.key),
        )

    def _time_reference_samples(self, clip: SpottedClip) -> int:
        """Samples since midnight at the file's first sample, in real time: counted from frames, not from labels."""
        since_midnight_s = self._clock.since_midnight_s(clip.sound_start_s)
        return sample_index(since_midnight_s, self._options.sample_rate_hz)

    def _build_cue(self, cue: Cue, record_timecode: str) -> CueRequest:
        takes = range(1, (cue.num_takes or self._options.num_takes) + 1)
        return CueRequest(
            cue=cue.id,
            track=cue.track,
            prompt=cue.prompt,
            negative_prompt=cue.negative_prompt,
            takes=tuple(
                TakeRequest(
                    take=take,
                    seed=self._options.seed + take - 1,
                    name=self._build_name(cue, take, record_timecode),
                )
                for take in takes
            ),
        )

    def _build_name(self, cue: Cue, take: int, record_timecode: str) -> str:
        parts = NameParts(
            track=cue.track,
            prompt=cue.prompt,
            clip=cue.clip.name,
            take=take,
            timecode=record_timecode,
            timeline=self._timeline_name,
        )
        name = ensure_unique(build_stem_name(parts, self._output.naming), self._names)
        self._names.add(name.casefold())
        return name

    def _build_provenance(
        self, clip: SpottedClip, span: StemSpan, time_reference_samples: int, record_timecode: str
    ) -> dict[str, str]:
        """What an editor needs to place the file by hand. Nothing in it depends on when or where this runs, or on the name
        of the new timeline: the file is named after what it holds, so rendering again would leave a second one.
        """
        clock = self._clock
        return {
            "timeline": self._timeline_name,
            "frame_rate": str(clock.frame_rate_hz),
            "drop_frame": "yes" if clock.drop_frame else "no",
            "record_timecode": record_timecode,
            "record_start_s": str(clip.record_start_s),
            "offset_samples": str(span.offset_samples),
            "file_start_timecode": clock.timecode(clip.sound_start_s)
            if clip.handle_before_s
            else record_timecode,
            "time_reference_samples": str(time_reference_samples),
            "source_name": clip.name,
            "source_file": clip.media_path.name,
            "source_timecode": clip.source_timecode,
            "source_start_s": str(clip.media_start_s),
            "source_speed": str(clip.speed),
        }
