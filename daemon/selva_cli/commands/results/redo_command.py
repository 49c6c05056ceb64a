"""What `selva redo` does; loads timelines and the client, so only when it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from selva_cli.terminal.console import print_json, print_line
from selva_cli.terminal.error_reporting import report_errors
from selva_cli.terminal.progress_bars import ProgressLines
from selva_core.audio.stem_file import StemFile, read_stem_file
from selva_core.base.errors import RequestError
from selva_core.base.paths import AppPaths
from selva_core.base.settings import load_settings
from selva_daemon.client.client import Client
from selva_daemon.protocol.status import JobStatus, StemResult
from selva_otio import Stem
from selva_otio.formats.stem_metadata import read_pan_width
from selva_otio.placement.takes import PlacedStem, add_take, find_placed_stem
from selva_otio.time.clock import parse_seconds, sample_index
from selva_otio.time.item_times import find_record_clock
from selva_otio.timelines import OpenTimeline, check_timeline_target, open_timeline, write_timeline
from selva_render.media import probe_or_none
from selva_render.redo import Redo, build_redo_job, find_media, parse_sample, redo_stem, to_take
from selva_render.written_timelines import check_replaceable, note_written_files


@dataclass(frozen=True, kw_only=True)
class RedoArguments:
    """What is made, as it was typed: a stretch from `start` to `end`, or what is before and after the stem."""

    start: str | None = None
    end: str | None = None
    extend_head: str | None = None
    extend_tail: str | None = None
    prompt: str | None = None
    negative_prompt: str | None = None
    seed: int | None = None


def run_redo(
    wanted: str,
    stretch: RedoArguments,
    *,
    media: Path | None,
    timeline: Path | None,
    output: Path | None,
    replaces: bool,
    absent: str | None,
    as_json: bool,
) -> None:
    """Make the take, and write the timeline with it. Refusals come before anything is rendered."""
    written: Sequence[Path] = ()
    with (
        report_errors(as_json=as_json),
        nullcontext() if timeline is None else open_timeline(timeline) as opened,
    ):
        placed = None
        if opened is not None:
            placed = find_placed_stem(opened.timeline, wanted, base_folder=opened.base_folder)
            _check_target(output, opened, placed, replaces=replaces)
        stem = read_stem_file(Path(wanted) if placed is None else placed.file)
        redo = _build_redo(
            stem, stretch, opened, placed, absent=load_settings().absent if absent is None else absent
        )
        known = media or (placed.media if placed is not None else None) or find_media(stem)
        job = build_redo_job(redo, media=known, probe=probe_or_none)
        lines = ProgressLines()

        def show(status: JobStatus) -> None:
            lines.show(f"{status.label}: {status.stage or status.state}, {status.fraction:.0%}")

        with Client.connect(start_if_needed=True) as client:
            result = redo_stem(job, client=client, on_status=show)
        if opened is not None and placed is not None and output is not None:
            written = _write_timeline(opened, placed, redo, to_take(result, job), output)
    _show(result, redo, written, as_json=as_json)


def _check_target(output: Path | None, opened: OpenTimeline, placed: PlacedStem, *, replaces: bool) -> None:
    if output is not None:
        check_timeline_target(output, opened.path)
        if not replaces:
            check_replaceable(output, [placed.track], AppPaths.find())


def _build_redo(
    stem: StemFile,
    stretch: RedoArguments,
    opened: OpenTimeline | None,
    placed: PlacedStem | None,
    *,
    absent: str,
) -> Redo:
    head, tail = (_parse_extension(stem, text) for text in (stretch.extend_head, stretch.extend_tail))
    start, end = (0, 0) if head or tail else _find_stretch(stem, stretch, opened, placed)
    return Redo(
        stem=stem,
        start_sample=start,
        end_sample=end,
        extend_head_samples=head,
        extend_tail_samples=tail,
        prompt=stretch.prompt,
        negative_prompt=stretch.negative_prompt,
        seed=stretch.seed,
        take=None if placed is None else placed.next_take,
        pan_envelope=None if placed is None else read_pan_width(placed.note),
        absent=absent,
    )


def _find_stretch(
    stem: StemFile, stretch: RedoArguments, opened: OpenTimeline | None, placed: PlacedStem | None
) -> tuple[int, int]:
    """The samples of the file. Raises ClockError, RequestError."""
    texts = ["0" if text is None else text for text in (stretch.start, stretch.end)]
    if opened is None or placed is None:
        start, end = (parse_sample(stem, text) for text in texts)
        return start, end
    clock = find_record_clock(opened.timeline)
    from_s, to_s = (clock.parse_moment_s(text) for text in texts)
    if not placed.start_s <= from_s < to_s <= placed.end_s:
        raise RequestError(
            f"a stretch lies in its stem, from {clock.timecode(placed.start_s)} to {clock.timecode(placed.end_s)}; got "
            f"{stretch.start} to {stretch.end}"
        )
    return placed.sample_at(from_s, stem.sample_rate_hz), placed.sample_at(to_s, stem.sample_rate_hz)


def _parse_extension(stem: StemFile, text: str | None) -> int:
    """Samples of so many seconds. Raises ClockError, RequestError."""
    if text is None:
        return 0
    num_samples = sample_index(parse_seconds(text), stem.sample_rate_hz)
    if num_samples < 1:
        raise RequestError(f"a stem is extended by more than 0 s, as in 0.5; got {text}")
    return num_samples


def _write_timeline(
    opened: OpenTimeline, placed: PlacedStem, redo: Redo, take: Stem, output: Path
) -> Sequence[Path]:
    head_s, tail_s = redo.extended_s
    written = write_timeline(
        add_take(opened.timeline, placed, take, head_s=head_s, tail_s=tail_s),
        output,
        base_folder=opened.base_folder,
        probe=probe_or_none,
        media=opened.media,
    )
    note_written_files(written.files, AppPaths.find())
    sys.stderr.writelines(f"selva: {loss}\n" for loss in written.losses)
    return [file.absolute() for file in written.files]


def _show(result: StemResult, redo: Redo, written: Sequence[Path], *, as_json: bool) -> None:
    rate_hz = result.sample_rate_hz
    if as_json:
        print_json(
            {
                "file": result.file,
                "redone_from": str(redo.stem.path),
                "cue": result.cue,
                "track": result.track,
                "take": result.take,
                "seed": result.seed,
                "start_sample": redo.start_sample,
                "end_sample": redo.end_sample,
                "extended_head_samples": redo.extend_head_samples,
                "extended_tail_samples": redo.extend_tail_samples,
                "sample_rate_hz": rate_hz,
                "num_samples": result.num_samples,
                "cached": result.cached,
                "presence": result.presence,
                "evidence": result.evidence,
                "silenced": result.silenced,
                "warnings": list(result.warnings),
                "timeline": None if not written else str(written[0]),
            }
        )
        return
    head_s, tail_s = redo.extended_s
    what = (
        f"{float(head_s):.3f} s before and {float(tail_s):.3f} s after"
        if redo.extends
        else f"{redo.start_sample / rate_hz:.3f} to {redo.end_sample / rate_hz:.3f} s anew"
    )
    print_line(f"{result.track}  take {result.take}  seed {result.seed}  {what}  {result.file}")
    for warning in dict.fromkeys(result.warnings):
        print_line(f"note: {warning}")
    for file in written:
        print_line(f"timeline: {file}")
