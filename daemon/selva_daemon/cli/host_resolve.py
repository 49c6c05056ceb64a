"""`selva host resolve`, and `selva render --host resolve`: DaVinci Resolve from the command line."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selva_daemon.cli.console import say, say_json

if TYPE_CHECKING:
    from selva_plugins.hosts.resolve_headless import TimelineResult

    from selva_daemon.cli.render_commands import MakingChoices, SpottingChoices

WatchOption = Annotated[bool, typer.Option("--watch", help="Keep answering until Ctrl-C; without it, once.")]
IdleExitOption = Annotated[
    float | None,
    typer.Option("--idle-exit", metavar="SECONDS", help="Leave after so long without anything to do."),
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


def resolve(  # noqa: PLR0917 - typer calls it by keyword
    watch: WatchOption = False,
    idle_exit: IdleExitOption = None,
    resource_path: FolderOption = None,
    model: DefaultModelOption = None,
    seed: DefaultSeedOption = None,
    handles: DefaultHandlesOption = "0",
    negative: DefaultAvoidOption = "",
    mark_stems: MarkStemsOption = False,
) -> None:
    """Answer the agent inside DaVinci Resolve (Workspace > Scripts > Selva)."""
    from selva_plugins.hosts.resolve_install import choose_homes  # noqa: PLC0415 - --help stays light
    from selva_plugins.hosts.resolve_watch import run_watch  # noqa: PLC0415

    wishes = {
        "model": model or "",
        "seed": "" if seed is None else str(seed),
        "handles_s": handles,
        "avoid": negative,
    }
    homes = choose_homes(resource_path)
    for home in homes:
        say(f"{home.label}: waiting for Workspace > Scripts > Selva, at {home.exchange.folder}")
    with suppress(KeyboardInterrupt):
        run_watch(
            homes,
            say=_say_now,
            defaults=wishes,
            marks_stems=mark_stems,
            idle_exit_s=idle_exit if watch else 0.0,
        )


def _say_now(text: str) -> None:
    say(f"{time.strftime('%H:%M:%S')}  {text}")


def run_render_in_host(
    host: str,
    spotting: SpottingChoices,
    making: MakingChoices,
    *,
    timelines: list[str],
    all_timelines: bool,
    stems_folder: Path | None,
    marks_stems: bool,
    as_json: bool,
) -> None:
    """Render timelines of the project that is open in Resolve Studio and place the stems; one after the
    other.
    """
    if host != "resolve":
        raise typer.BadParameter(f"only resolve can be rendered from outside; got {host!r}")
    from selva_otio.clock import parse_seconds  # noqa: PLC0415
    from selva_plugins.hosts.resolve_headless import (  # noqa: PLC0415
        choose_timelines,
        opened_timeline,
        render_in_studio,
    )
    from selva_plugins.hosts.resolve_studio import StudioBridge  # noqa: PLC0415
    from selva_plugins.wishes import Wishes  # noqa: PLC0415

    from selva_core.engine import SamplingSettings  # noqa: PLC0415
    from selva_daemon.cli.refusals import EXIT_PARTLY_FAILED, refusals  # noqa: PLC0415

    results = []
    with refusals(as_json=as_json):
        wishes = Wishes(
            sounds=tuple(spotting.parse_tracks()),
            num_takes=making.takes,
            seed=making.seed,
            handles_s=parse_seconds(spotting.handles),
            model=making.model,
        )
        with StudioBridge() as studio:
            for timeline in choose_timelines(studio, timelines, all_of_them=all_timelines):
                with opened_timeline(studio, timeline):
                    result = render_in_studio(
                        studio,
                        wishes,
                        stems_folder=stems_folder,
                        cue_sheet=spotting.cues,
                        sampling=SamplingSettings(num_steps=making.num_steps, guidance=making.guidance),
                        sample_rate_hz=making.sample_rate_hz,
                        marks_stems=marks_stems,
                        on_progress=lambda _progress: None,
                    )
                results.append(result)
                if not as_json:
                    _tell(result)
    if as_json:
        say_json([{"timeline": r.timeline_name, "notices": list(r.notices), **r.report} for r in results])
    if any(result.num_placed < len(result.report["stems"]) for result in results):
        raise typer.Exit(EXIT_PARTLY_FAILED)


def _tell(result: TimelineResult) -> None:
    say(f"{result.timeline_name}: {result.num_placed} of {len(result.report['stems'])} stems placed")
    for notice in result.notices:
        say(f"  {notice}")
