"""`selva host resolve`, and `selva render --host resolve`: DaVinci Resolve from the command line."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selva_cli.terminal.console import print_json, print_line
from selva_cli.terminal.stop_signals import counted_stop_signals

if TYPE_CHECKING:
    from selva_cli.options.timeline_options import RenderArguments, SpotArguments
    from selva_plugins.hosts.resolve.headless import StudioRender, TimelineResult
    from selva_plugins.progress import RequestProgress

WatchOption = Annotated[bool, typer.Option("--watch", help="Answer requests until Ctrl-C; without it, once.")]
IdleExitOption = Annotated[
    float | None,
    typer.Option("--idle-exit", metavar="SECONDS", help="Exit after so long without a request."),
]
FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--resource-path",
        metavar="DIR",
        help="The folder Fusion of one Resolve; by default all of this user.",
    ),
]
DefaultModelOption = Annotated[
    str | None, typer.Option("--model", metavar="ID", help="A row of `selva models list`.")
]
DefaultSeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of the first take.")]
DefaultHandlesOption = Annotated[
    str, typer.Option("--handles", metavar="SECONDS", help="Sound before and after each clip, for trimming.")
]
DefaultAvoidOption = Annotated[
    str, typer.Option("--negative", metavar="TEXT", help="What must not be heard.")
]
HostOption = Annotated[
    str | None,
    typer.Option(
        "--host",
        metavar="HOST",
        help="Render what is open in a host application instead of a file: resolve (Studio).",
    ),
]
TimelineOption = Annotated[
    list[str],
    typer.Option(
        "--timeline", metavar="NAME", help="With --host: a timeline of the project; by default the open one."
    ),
]
AllTimelinesOption = Annotated[
    bool, typer.Option("--all-timelines", help="With --host: every timeline of the project.")
]
MarkStemsOption = Annotated[
    bool, typer.Option("--mark-stems", help="Leave a marker on the host's timeline where stems were made.")
]
ReplaceOption = Annotated[
    bool,
    typer.Option(
        "--replace",
        help="In a host: new stems replace earlier ones in the same place that are unchanged since.",
    ),
]
RemoveStemsOption = Annotated[
    bool,
    typer.Option(
        "--remove-stems", help="Studio: remove what Selva placed on the timeline that is open, and exit."
    ),
]
CheckStartOption = Annotated[
    str | None,
    typer.Option("--check-start", metavar="TEXT", hidden=True, help="Write TEXT into the log and exit."),
]

HandedOption = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        hidden=True,
        help="A variable that the installer found; may be repeated.",
    ),
]


def use_handed_settings(handed: list[str]) -> None:
    """Before anything looks for folders or the daemon: what the installer found wins over what the host was started with."""
    if handed:
        from selva_plugins.handed_settings import parse_settings  # noqa: PLC0415 - --help stays light

        os.environ.update(parse_settings(handed))


def resolve(  # noqa: PLR0917 - typer calls it by keyword
    watch: WatchOption = False,
    idle_exit: IdleExitOption = None,
    resource_path: FolderOption = None,
    model: DefaultModelOption = None,
    seed: DefaultSeedOption = None,
    handles: DefaultHandlesOption = "0",
    negative: DefaultAvoidOption = "",
    mark_stems: MarkStemsOption = False,
    replace: ReplaceOption = False,
    remove_stems: RemoveStemsOption = False,
    check_start: CheckStartOption = None,
    handed: HandedOption = [],  # noqa: B006 - typer copies it
) -> None:
    """Answer the agent inside DaVinci Resolve (Workspace > Scripts > Selva)."""
    use_handed_settings(handed)
    if remove_stems:
        _remove_stems()
        return
    from selva_plugins.hosts.resolve.agent.bridge_log import open_log  # noqa: PLC0415
    from selva_plugins.hosts.resolve.agent.watch import run_watch  # noqa: PLC0415
    from selva_plugins.hosts.resolve.homes import choose_homes  # noqa: PLC0415 - --help stays light

    defaults = {
        "model": model or "",
        "seed": "" if seed is None else str(seed),
        "handles_s": handles,
        "avoid": negative,
    }
    with open_log() as write_log, counted_stop_signals() as is_over, suppress(KeyboardInterrupt):

        def tell(text: str) -> None:
            write_log(text)
            _print_with_time(text)

        if check_start is not None:
            write_log(f"started as a check: {check_start}")
            return
        homes = choose_homes(resource_path)
        for home in homes:
            tell(f"{home.label}: waiting for Workspace > Scripts > Selva, at {home.exchange.folder}")
        run_watch(
            homes,
            print_line=tell,
            defaults=defaults,
            marks_stems=mark_stems,
            replaces=replace,
            idle_exit_s=idle_exit if watch else 0.0,
            is_over=is_over,
        )
        write_log("ended: asked to" if is_over() else "ended: nothing to do")


def _print_with_time(text: str) -> None:
    """Where nobody can see it, because the terminal was closed or never there, the log has it."""
    with suppress(OSError, ValueError):
        print_line(f"{time.strftime('%H:%M:%S')}  {text}")
        sys.stdout.flush()


def _remove_stems() -> None:
    """Remove what Selva placed on the timeline that is open in Studio."""
    from selva_plugins.hosts.resolve.studio import StudioBridge  # noqa: PLC0415

    with StudioBridge() as studio:
        removed = studio.remove()
    counts = {
        "stem": removed.num_stems,
        "track": removed.num_tracks,
        "marker": removed.num_markers,
        "clip": removed.num_clips,
    }
    counted = (f"{count} {noun}{'s' if count != 1 else ''}" for noun, count in counts.items())
    print_line(f"removed: {', '.join(counted)}")
    if removed.num_kept:
        print_line(f"kept: {removed.num_kept}, because their track is locked")


def run_render_in_host(
    host: str,
    spot: SpotArguments,
    rendering: RenderArguments,
    *,
    timelines: list[str],
    all_timelines: bool,
    stems_folder: Path | None,
    marks_stems: bool,
    replaces: bool,
    as_json: bool,
    context: typer.Context,
) -> None:
    """Render timelines of the project that is open in Resolve Studio and place the stems; one after the
    other.
    """
    if host != "resolve":
        raise typer.BadParameter(f"only resolve can be rendered from outside; got {host!r}")
    from selva_cli.terminal.error_reporting import EXIT_PARTLY_FAILED, EXIT_REFUSED, report_errors  # noqa: PLC0415
    from selva_plugins.hosts.resolve.headless import choose_timelines, render_timelines  # noqa: PLC0415
    from selva_plugins.hosts.resolve.studio import StudioBridge  # noqa: PLC0415

    results = []
    with report_errors(as_json=as_json), StudioBridge() as studio, _shown_progress() as show:
        request = _build_studio_render(spot, rendering, stems_folder=stems_folder, context=context)
        request = dataclasses.replace(request, marks_stems=marks_stems, replaces=replaces)
        chosen = choose_timelines(studio, timelines, all_of_them=all_timelines)
        for result in render_timelines(studio, chosen, request, on_progress=show):
            if result.error is not None and len(chosen) == 1:
                raise result.error
            results.append(result)
            if not as_json:
                _print_result(result)
    if as_json:
        print_json([_describe(result) for result in results])
    if not all(result.is_complete for result in results):
        raise typer.Exit(EXIT_PARTLY_FAILED if any(r.num_placed for r in results) else EXIT_REFUSED)


def _build_studio_render(
    spot: SpotArguments,
    rendering: RenderArguments,
    *,
    stems_folder: Path | None,
    context: typer.Context,
) -> StudioRender:
    """Raises TimelineError. A sample rate that was not typed is the timeline's."""
    from selva_cli.options.timeline_options import is_typed  # noqa: PLC0415
    from selva_plugins.form import HostForm  # noqa: PLC0415
    from selva_plugins.hosts.resolve.headless import StudioRender  # noqa: PLC0415

    options, spot_options = rendering.build(), spot.build()
    return StudioRender(
        form=HostForm(
            sounds=tuple(spot.parse_tracks()),
            num_takes=options.num_takes,
            seed=options.seed,
            handles_s=spot_options.handles_s,
            model=options.model,
        ),
        stems_folder=stems_folder,
        cue_sheet=spot.cues,
        options=spot_options,
        sampling=options.sampling,
        sample_rate_hz=options.sample_rate_hz if is_typed(context, "sample_rate_hz") else None,
    )


@contextmanager
def _shown_progress() -> Iterator[Callable[[RequestProgress], None]]:
    """One line of progress on standard error; now and then a new one where that is not a terminal."""
    from rich.console import Console  # noqa: PLC0415 - slow to load
    from rich.text import Text  # noqa: PLC0415

    from selva_cli.terminal.progress_bars import ProgressLines  # noqa: PLC0415

    console = Console(stderr=True)
    if not console.is_terminal:
        lines = ProgressLines()
        yield lambda progress: lines.show(f"{100 * progress.fraction:.0f} %  {progress.message}")
        return
    with console.status("asking Resolve") as status:
        yield lambda progress: status.update(Text(f"{100 * progress.fraction:.0f} %  {progress.message}"))


def _describe(result: TimelineResult) -> dict[str, object]:
    described: dict[str, object] = {
        "timeline": result.timeline_name,
        "notices": list(result.notices),
        **({"stems": []} if result.report is None else result.report.to_json()),
    }
    if result.error is not None:
        described["error"] = {"code": result.error.code, "message": result.error.message}
    return described


def _print_result(result: TimelineResult) -> None:
    if result.error is not None:
        print_line(f"{result.timeline_name}: nothing placed: {result.error.message}")
        return
    print_line(f"{result.timeline_name}: {result.num_placed} of {result.num_stems} stems placed")
    for notice in result.notices:
        print_line(f"  {notice}")
