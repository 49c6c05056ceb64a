"""A farm's job as an outline script of OpenCue, which `pycuerun` submits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from selva_render.farm.plan import FarmPlan

OUTLINE_NAME = "selva.outline"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]+")


def build_outline(plan: FarmPlan, job_folder: Path) -> str:
    """The outline script. It names the job's folder, which every host of the farm sees under this path.

    OpenCue has no step that runs once for each host, and ends what a frame leaves behind, so each frame has a daemon of its own.
    """
    render = [
        *(plan.command, "farm", "render", str(job_folder), "--task", "%{FRAME}"),
        *plan.iter_fixed_arguments(),
        *_iter_request_arguments(plan),
        "--own-daemon",
    ]
    gather = [
        *(plan.command, "farm", "gather", str(job_folder), "-o", str(job_folder / plan.timeline)),
        *plan.iter_timeline_arguments(),
        *_iter_request_arguments(plan),
    ]
    gpus = f", gpus={plan.num_gpus}" if plan.num_gpus else ""
    return f'''"""{_clean_name(plan.name)}: stems for a cut. Submit it with: pycuerun {OUTLINE_NAME}"""
from outline.modules.shell import Shell, ShellCommand

render = Shell(
    "render",
    range="1-{plan.num_tasks}",
    command={_format_list(render)}{gpus},
)
gather = ShellCommand(
    "gather",
    command={_format_list(gather)},
)
gather.depend_all(render)
'''


def _iter_request_arguments(plan: FarmPlan) -> Iterator[str]:
    for track in plan.tracks:
        yield from ("--track", track)
    for negative in plan.negatives:
        yield from ("--negative", negative)
    yield from ("--cue-sheet", plan.cues) if plan.cues is not None else ()
    yield from ("--model", plan.model, "--takes", str(plan.num_takes))
    yield from ("--seed", str(plan.seed), "--quality", plan.quality)


def _format_list(arguments: list[str]) -> str:
    lines = "".join(f"        {argument!a},\n" for argument in arguments)
    return f"[\n{lines}    ]"


def _clean_name(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name).strip("_") or "selva"
