"""Making a stretch of a stem anew, or making a stem longer: from the file of a take to the job that makes the next take of it.

    stem = read_stem_file(Path("stems/Dog_shot-A_t01_01-00-05-12_0123456789.wav"))
    redo = Redo(stem=stem, start_sample=48_000, end_sample=96_000, seed=7)
    longer = Redo(stem=stem, extend_tail_samples=24_000)
    result = redo_stem(build_redo_job(redo, media=Path("shot-A.mov")), client=client)

All samples of the new take outside what is new are those of the earlier one, but for a cross-over of less than 0.1 s at each
of its edges.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from selva_core.audio.stem_file import StemFile, read_stem_file
from selva_core.base.errors import MediaNotFoundError, RequestError, SelvaError
from selva_core.base.limits import MAX_SEED
from selva_core.base.media import MediaInfo, PictureRange
from selva_core.base.render_options import ENVELOPE, OFF, PRECISIONS, SILENT
from selva_core.video.sequence_files import find_images
from selva_daemon.client.client import Client
from selva_daemon.protocol.job import (
    MAX_LABEL_CHARS,
    MAX_TAKE_NUMBER,
    CueRequest,
    JobRequest,
    OutputRequest,
    RedoRequest,
    SignerFiles,
    TakeRequest,
)
from selva_daemon.protocol.recipe import OF_THE_WORKER, StemRecipe
from selva_daemon.protocol.status import JobStatus, StemResult
from selva_otio import Stem
from selva_otio.time.clock import format_timecode, parse_seconds, parse_timecode, sample_index
from selva_render.render import to_placed_stem

_CONTENT_KEY = re.compile(r"_[0-9a-f]{10}(_\d+)?$")
_TAKE_IN_NAME = re.compile(r"(?<![A-Za-z0-9])t\d{2,}(?![A-Za-z0-9])")
_MAX_SIBLINGS = 5000


@dataclass(frozen=True, kw_only=True)
class Redo:
    """What is made anew of a stem: the samples from `start_sample` to before `end_sample` of its file; or by how much it goes on
    before its start and after its end.

    prompt, negative_prompt: None for those of the stem. seed: None for the next one that no part of it, and
    without `take` no stretch of a take beside it, was made with.
    take: number of the first new take; None for the next one that no stem of the cue in the folder has. num_takes: how many
    takes, with seeds and numbers that follow. folder: where the new file
    goes, by default beside the earlier one. absent: see RenderOptions. pan_envelope: the width of the pan envelope that the new
    take gets, where the stem has one: it lies on the timeline, and its file says nothing of it.
    """

    stem: StemFile
    start_sample: int = 0
    end_sample: int = 0
    extend_head_samples: int = 0
    extend_tail_samples: int = 0
    prompt: str | None = None
    negative_prompt: str | None = None
    seed: int | None = None
    take: int | None = None
    num_takes: int = 1
    folder: Path | None = None
    absent: str = SILENT
    pan_envelope: float | None = None
    signer: SignerFiles | None = None

    def __post_init__(self) -> None:
        if self.prompt is not None and not self.prompt.strip():
            raise RequestError(
                "a prompt says what is heard in the stretch; leave it out for that of the stem"
            )
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED - self.num_takes + 1:
            raise RequestError(f"a seed is an integer from 0 to {MAX_SEED}; got {self.seed}")
        if self.extends:
            if self.end_sample or min(self.extend_head_samples, self.extend_tail_samples) < 0:
                raise RequestError(
                    "a stretch of a stem is made anew, or the stem is extended by 0 samples or more on a side; not both"
                )
        elif not 0 <= self.start_sample < self.end_sample <= self.stem.num_samples:
            rate_hz = self.stem.sample_rate_hz
            raise RequestError(
                f"a stretch lies in the stem, which is {self.stem.num_samples / rate_hz:.3f} s long; got "
                f"{self.start_sample / rate_hz:.3f} s to {self.end_sample / rate_hz:.3f} s"
            )

    @property
    def extends(self) -> bool:
        return bool(self.extend_head_samples or self.extend_tail_samples)

    @property
    def extended_s(self) -> tuple[Fraction, Fraction]:
        """By how much the stem goes on before its start and after its end."""
        head, tail = self.extend_head_samples, self.extend_tail_samples
        return Fraction(head, self.stem.sample_rate_hz), Fraction(tail, self.stem.sample_rate_hz)


def open_stem(path: Path) -> StemFile:
    """The stem in a file, for rooms that read no audio. Raises MediaNotFoundError, MediaUnreadableError."""
    return read_stem_file(path)


def build_redo_job(
    redo: Redo,
    *,
    media: Path,
    picture: PictureRange | None = None,
    probe: Callable[[Path], MediaInfo | None] = lambda path: None,
) -> JobRequest:
    """The job of one take. media: the file, or the pattern of the image sequence, that the stem was made for. picture: its
    range, for stems of version 0.1.0, which do not say it. probe: tells how long the media is, so that a stem that would go on
    beyond it is refused here.

    Raises RequestError for a file that is no stem, or does not say how it was made.
    """
    stem = redo.stem
    if not stem.provenance:
        raise RequestError(
            f"{stem.path.name} is no stem of Selva Bridge, so that no stretch of it can be made anew"
        )
    recipe = StemRecipe.parse(stem.provenance, name=stem.path.name)
    shown = recipe.picture or picture
    if shown is None:
        raise RequestError(
            f"{stem.path.name} does not say which range of its media it was made for; render the whole stem again"
        )
    take = next_take(stem) if redo.take is None else redo.take
    whole = replace(shown, path=media.absolute())
    padding = _measure_padding(redo, whole)
    if redo.extends:
        whole = _extend_picture(redo, whole, padding, probe)
    pan = recipe.pan
    if redo.pan_envelope is not None and pan.mode == OFF:
        pan = replace(pan, mode=ENVELOPE, width=redo.pan_envelope)
    what = "longer" if redo.extends else "again"
    return JobRequest(
        label=f"{stem.provenance.get('track', stem.path.stem)} {what}"[:MAX_LABEL_CHARS],
        media=whole,
        model=recipe.model,
        num_steps=recipe.sampling.num_steps,
        guidance=recipe.sampling.guidance,
        quality=recipe.sampling.quality,
        separate=recipe.sampling.separate,
        pan=pan.mode,
        pan_width=pan.width,
        distance=pan.distance,
        precision=recipe.precision if recipe.precision in PRECISIONS else "auto",
        absent=redo.absent,
        output=_build_output(redo),
        cues=(_build_cue(redo, recipe, take, padding),),
        provenance=_build_provenance(redo),
    )


def _measure_padding(redo: Redo, shown: PictureRange) -> int:
    """The samples of silence that fill the last frame of a stem which goes on after its end: they give way to what is new."""
    stem = redo.stem
    padding = stem.num_samples - sample_index(shown.duration_s, stem.sample_rate_hz)
    return padding if redo.extend_tail_samples and 0 < padding <= stem.sample_rate_hz else 0


def _build_output(redo: Redo) -> OutputRequest:
    """As that of the stem, or longer; then its clock and its labels are moved."""
    stem = redo.stem
    return OutputRequest(
        folder=(redo.folder or stem.path.parent).absolute(),
        sample_rate_hz=stem.sample_rate_hz,
        num_samples=stem.num_samples + redo.extend_head_samples + redo.extend_tail_samples,
        time_reference_samples=_move_back(stem.time_reference_samples, redo.extend_head_samples),
        labels=tuple(
            replace(label, start_sample=label.start_sample + redo.extend_head_samples)
            for label in stem.labels
        ),
        signer=redo.signer,
    )


def _extend_picture(
    redo: Redo, shown: PictureRange, padding: int, probe: Callable[[Path], MediaInfo | None]
) -> PictureRange:
    """The range that the longer stem is made for. Raises RequestError where the media does not have it."""
    head_s, tail_s = redo.extended_s
    tail_s += Fraction(padding, redo.stem.sample_rate_hz)
    # A reversed shot begins near the end of its media.
    before_s, after_s = _measure_room(shown, probe)
    for side, wanted_s, room_s in (("before", head_s, before_s), ("after", tail_s, after_s)):
        if room_s is not None and wanted_s > room_s:
            raise RequestError(
                f"{shown.path.name} shows {math.floor(room_s * 1000) / 1000:g} s {side} what the stem was made for, by which "
                f"the stem can be extended at most; got {float(wanted_s):g} s"
            )
    return shown.part(-head_s, shown.duration_s + head_s + tail_s)


def _measure_room(
    shown: PictureRange, probe: Callable[[Path], MediaInfo | None]
) -> tuple[Fraction | None, Fraction | None]:
    """How long the media goes on before and after a range, at the range's speed; None where that is not known or endless."""
    if not shown.speed:
        return None, None
    info = None if shown.images is not None else probe(shown.path)
    end_s = None if info is None else info.duration_s
    if shown.images is not None:
        with suppress(SelvaError):
            end_s = len(find_images(shown.path, shown.images).played) / shown.images.rate_hz
    last_s = shown.start_s + shown.speed * shown.duration_s
    from_start_s = min(shown.start_s, last_s) / abs(shown.speed)
    to_end_s = (
        None if end_s is None else max(end_s - max(shown.start_s, last_s), Fraction(0)) / abs(shown.speed)
    )
    return (from_start_s, to_end_s) if shown.speed > 0 else (to_end_s, from_start_s)


def _move_back(time_reference_samples: int | None, head_samples: int) -> int | None:
    """None where the longer file would begin before midnight."""
    if time_reference_samples is None or time_reference_samples < head_samples:
        return None
    return time_reference_samples - head_samples


def _build_provenance(redo: Redo) -> dict[str, str]:
    """What the stem says of its place, which a longer head moves."""
    carried = {key: value for key, value in redo.stem.provenance.items() if key not in OF_THE_WORKER}
    head_s, head = redo.extended_s[0], redo.extend_head_samples
    if not head:
        return carried
    for key, sign in (("offset_samples", 1), ("time_reference_samples", -1)):
        with suppress(KeyError, ValueError):
            carried[key] = str(int(carried[key]) + sign * head)
    try:
        rate_hz, drops = Fraction(carried["frame_rate"]), carried.get("drop_frame") == "yes"
        frame = parse_timecode(carried["file_start_timecode"], rate_hz)
        carried["file_start_timecode"] = format_timecode(
            math.floor(frame - head_s * rate_hz), rate_hz, drop_frame=drops
        )
    except (KeyError, ValueError, ZeroDivisionError, SelvaError):
        carried.pop("file_start_timecode", None)
    return carried


def _build_cue(redo: Redo, recipe: StemRecipe, take: int, padding: int) -> CueRequest:
    provenance = redo.stem.provenance
    # A number that was given goes with a place: there the same command makes the same take.
    takes_beside = _iter_takes_beside(redo.stem) if redo.take is None else ()
    seed = next_seed(recipe, takes_beside) if redo.seed is None else redo.seed
    return CueRequest(
        cue=provenance.get("cue", "cue"),
        track=provenance.get("track", "stem"),
        prompt=recipe.prompt if redo.prompt is None else redo.prompt,
        negative_prompt=recipe.negative_prompt if redo.negative_prompt is None else redo.negative_prompt,
        takes=tuple(
            TakeRequest(
                take=take + index,
                seed=seed + index,
                name=build_take_name(redo.stem.path, take + index),
                redo=_build_request(redo, padding),
            )
            for index in range(redo.num_takes)
        ),
    )


def _build_request(redo: Redo, padding: int) -> RedoRequest:
    file = redo.stem.path.absolute()
    if redo.extends:
        return RedoRequest(
            file=file,
            extend_head_samples=redo.extend_head_samples,
            extend_tail_samples=redo.extend_tail_samples + padding,
        )
    return RedoRequest(file=file, start_sample=redo.start_sample, end_sample=redo.end_sample)


def redo_stem(
    job: JobRequest, *, client: Client, on_status: Callable[[JobStatus], None] = lambda status: None
) -> StemResult:
    """Have the daemon make the take of a job for one; returns it. A job that is interrupted here is cancelled.

    Raises the job's error; InvalidRequestError, DaemonError.
    """
    submitted = client.submit(job)
    finished: JobStatus | None = None
    try:
        for status in client.events(submitted.job_id):
            on_status(status)
            finished = status
    except BaseException:
        with suppress(SelvaError):  # the daemon may go away just now
            client.cancel(submitted.job_id)
        raise
    if finished is None:
        finished = client.job(submitted.job_id)
    [result] = finished.raise_for_state().stems
    return result


def to_take(result: StemResult, job: JobRequest) -> Stem:
    """The new take as it is noted on a timeline."""
    return to_placed_stem(
        result, cue_id=result.cue, model=job.model, sampling=job.sampling, pan=job.pan_options
    )


def parse_sample(stem: StemFile, text: str) -> int:
    """The sample of a stem's file at a timecode of its timeline (01:00:12:12), or at seconds of the file (12.5, 1001/24000).

    Raises ClockError; RequestError where the file does not say its timecode.
    """
    if ":" not in text and ";" not in text:
        return sample_index(parse_seconds(text, or_timecode=True), stem.sample_rate_hz)
    try:
        frame_rate_hz = Fraction(stem.provenance["frame_rate"])
        first = int(stem.provenance["time_reference_samples"])
    except (KeyError, ValueError, ZeroDivisionError) as exc:
        raise RequestError(
            f"{stem.path.name} does not say its timecode; name seconds of the file instead"
        ) from exc
    at_s = parse_timecode(text, frame_rate_hz) / frame_rate_hz
    return sample_index(at_s, stem.sample_rate_hz) - first


def next_seed(recipe: StemRecipe, takes_beside: Iterable[StemFile] = ()) -> int:
    """One above all seeds of a stem and of the stretches of `takes_beside`, so that a stretch sounds otherwise each time."""
    seeds = [recipe.seed, *(stretch.seed for stretch in recipe.stretches)]
    for stem in takes_beside:
        with suppress(SelvaError):  # a take whose recipe is damaged has no seed
            seeds.extend(each.seed for each in StemRecipe.parse(stem.provenance, name="").stretches)
    return max(seeds) + 1 if max(seeds) < MAX_SEED else 0


def next_take(stem: StemFile) -> int:
    """One above all takes of the stem's cue that lie beside it."""
    taken = [_take_of(stem), *(_take_of(other) for other in _iter_takes_beside(stem))]
    return min(max(taken) + 1, MAX_TAKE_NUMBER)


def _iter_takes_beside(stem: StemFile) -> Iterator[StemFile]:
    """The takes of the stem's cue in its folder."""
    for path in sorted(stem.path.parent.glob("*.wav"))[:_MAX_SIBLINGS]:
        with suppress(SelvaError):
            other = read_stem_file(path)
            if other.provenance.get("cue") == stem.provenance.get("cue"):
                yield other


def build_take_name(path: Path, take: int) -> str:
    """The file stem of another take: without the content key, and with its number where the name says one."""
    name = _CONTENT_KEY.sub("", path.stem)
    if _TAKE_IN_NAME.search(name):
        return _TAKE_IN_NAME.sub(f"t{take:02}", name, count=1)
    return f"{name}_t{take:02}"


def find_media(stem: StemFile) -> Path:
    """The media of a stem where it is usually: beside the stem, or in one of the folders above it.

    Raises MediaNotFoundError, RequestError.
    """
    recipe = StemRecipe.parse(stem.provenance, name=stem.path.name)
    name = recipe.picture.path.name if recipe.picture is not None else stem.provenance.get("source_file", "")
    for folder in [stem.path.absolute().parent, *list(stem.path.absolute().parents)[1:4]]:
        if name and (folder / name).is_file():
            return folder / name
    raise MediaNotFoundError(
        f"the media of {stem.path.name}, {name or 'whose name is not known'}, is not beside it or in the three folders above; "
        "name it with --media"
    )


def _take_of(stem: StemFile) -> int:
    try:
        return max(int(stem.provenance.get("take", "1")), 1)
    except ValueError:
        return 1
