"""A farm's job as an OpenJD job bundle (Open Job Description, schema jobtemplate-2023-09), as Deadline Cloud and other
schedulers take it.

What a person may want to change when the job is submitted is a parameter of the job. Texts of the user are values of parameters
and never part of the template: there, `{{` begins an expression.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from selva_core.base.errors import RequestError
from selva_core.base.limits import MAX_SEED, MAX_TAKES
from selva_core.base.render_options import QUALITIES
from selva_render.farm.plan import FarmPlan

TEMPLATE_NAME, VALUES_NAME, ASSETS_NAME = "template.json", "parameter_values.json", "asset_references.json"
RENDER_STEP, GATHER_STEP = "Render", "Gather"
MAX_NAME_CHARS = 64
MAX_TEXT_CHARS = 1024
"""Of a text parameter; the specification allows no more."""
MAX_PARAMETERS = 50
START_TIMEOUT_S = 300
STOP_TIMEOUT_S = 120
GRACE_S = 60
_JOB = "{{Param.JobFolder}}"


def build_template(plan: FarmPlan) -> dict[str, Any]:
    """The job template. Raises RequestError for what the specification does not allow: too many tracks, texts that are too
    long."""
    parameters = list(_iter_parameters(plan))
    if len(parameters) > MAX_PARAMETERS:
        raise RequestError(
            f"a job has at most {MAX_PARAMETERS} parameters, and each --track and --negative is one; got {len(parameters)}: "
            "put the tracks into a cue sheet instead (--cues FILE)"
        )
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "name": _clean_name(plan.name),
        "parameterDefinitions": parameters,
        "steps": [_build_render_step(plan), _build_gather_step(plan)],
    }


def build_parameter_values(plan: FarmPlan) -> dict[str, Any]:
    """The values that a submission starts from."""
    values = [{"name": row["name"], "value": row["default"]} for row in _iter_parameters(plan)]
    return {"parameterValues": [row for row in values if row["name"] != "JobFolder"]}


def build_asset_references(
    job_folder: Path, media: Iterable[Path], folders: Iterable[Path]
) -> dict[str, Any]:
    """The files that schedulers without shared storage take to the workers. media: files; folders: of image sequences."""
    return {
        "assetReferences": {
            "inputs": {
                "filenames": sorted({str(file) for file in media}),
                "directories": sorted({str(folder) for folder in (job_folder, *folders)}),
            },
            "outputs": {"directories": [str(job_folder)]},
            "referencedPaths": [],
        }
    }


def to_json_bytes(document: Mapping[str, Any]) -> bytes:
    """JSON is what every OpenJD reader takes; YAML needs another library."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape")


def _iter_parameters(plan: FarmPlan) -> Iterator[dict[str, Any]]:
    yield {
        "name": "JobFolder",
        "type": "PATH",
        "objectType": "DIRECTORY",
        "dataFlow": "INOUT",
        "default": ".",
        "description": "This folder: the cut, and the stems as they are made.",
    }
    yield _text("Selva", plan.command, "The command that starts Selva on a worker.")
    for number, track in enumerate(plan.tracks, start=1):
        yield _text(f"Track{number}", track, "A stem track and what is heard on it: NAME=PROMPT.")
    for number, negative in enumerate(plan.negatives, start=1):
        yield _text(f"Negative{number}", negative, "What must not be heard: NAME=TEXT, or a text for all.")
    yield _text("CueSheet", plan.cues or "", "A cue sheet in this folder, .toml or .csv; empty for none.")
    yield _text(
        "Timeline", plan.timeline, "The timeline with the stems, written into this folder by the last step."
    )
    yield _text("Model", plan.model, "A row of `selva models list`, installed on every worker.")
    yield _number("Takes", plan.num_takes, 1, MAX_TAKES, "Versions of each stem.")
    yield _number("Seed", plan.seed, 0, MAX_SEED, "Seed of the first take.")
    yield {
        "name": "Quality",
        "type": "STRING",
        "default": plan.quality,
        "allowedValues": list(QUALITIES),
        "description": "draft: fewer steps, for a first look.",
        "userInterface": {"control": "DROPDOWN_LIST"},
    }


def _text(name: str, default: str, description: str) -> dict[str, Any]:
    if len(default) > MAX_TEXT_CHARS:
        raise RequestError(
            f"a farm takes texts of at most {MAX_TEXT_CHARS} characters; got {len(default)} in {default[:60]!r}: "
            "put it into a cue sheet instead (--cues FILE)"
        )
    return {"name": name, "type": "STRING", "default": default, "description": description}


def _number(name: str, default: int, low: int, high: int, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "INT",
        "default": default,
        "minValue": low,
        "maxValue": high,
        "description": description,
    }


def _iter_request_arguments(plan: FarmPlan) -> Iterator[str]:
    for number in range(1, len(plan.tracks) + 1):
        yield from ("--track", f"{{{{Param.Track{number}}}}}")
    for number in range(1, len(plan.negatives) + 1):
        yield from ("--negative", f"{{{{Param.Negative{number}}}}}")
    for option in ("cue-sheet", "model", "takes", "seed", "quality"):
        parameter = "".join(part.capitalize() for part in option.split("-"))
        yield from (f"--{option}", f"{{{{Param.{parameter}}}}}")


def _build_render_step(plan: FarmPlan) -> dict[str, Any]:
    arguments = [
        *("farm", "render", _JOB, "--task", "{{Task.Param.Task}}"),
        *plan.iter_fixed_arguments(),
        *_iter_request_arguments(plan),
        *("--path-mapping", "{{Session.PathMappingRulesFile}}", "--openjd"),
    ]
    step: dict[str, Any] = {
        "name": RENDER_STEP,
        "parameterSpace": {
            "taskParameterDefinitions": [{"name": "Task", "type": "INT", "range": f"1-{plan.num_tasks}"}]
        },
        "stepEnvironments": [_build_daemon_environment()],
        "script": {
            "actions": {
                "onRun": {
                    "command": "{{Param.Selva}}",
                    "args": arguments,
                    "cancelation": {
                        "mode": "NOTIFY_THEN_TERMINATE",
                        "notifyPeriodInSeconds": GRACE_S,
                    },
                }
            }
        },
    }
    if plan.num_gpus:
        step["hostRequirements"] = {"amounts": [{"name": "amount.worker.gpu", "min": plan.num_gpus}]}
    return step


def _build_daemon_environment() -> dict[str, Any]:
    """A daemon of the session's own, which stays while the worker renders task after task. Its caches are the worker's."""
    return {
        "name": "Daemon",
        "description": "Starts Selva's daemon when a worker begins with this step, and stops it when the worker leaves it.",
        "variables": {"SELVA_STATE_DIR": "{{Session.WorkingDirectory}}/selva-state"},
        "script": {
            "actions": {
                "onEnter": {
                    "command": "{{Param.Selva}}",
                    "args": ["daemon", "start"],
                    "timeout": START_TIMEOUT_S,
                },
                "onExit": {
                    "command": "{{Param.Selva}}",
                    "args": ["daemon", "stop"],
                    "timeout": STOP_TIMEOUT_S,
                },
            }
        },
    }


def _build_gather_step(plan: FarmPlan) -> dict[str, Any]:
    arguments = [
        *("farm", "gather", _JOB, "-o", f"{_JOB}/{{{{Param.Timeline}}}}"),
        *plan.iter_timeline_arguments(),
        *_iter_request_arguments(plan),
        "--openjd",
    ]
    return {
        "name": GATHER_STEP,
        "dependencies": [{"dependsOn": RENDER_STEP}],
        "script": {"actions": {"onRun": {"command": "{{Param.Selva}}", "args": arguments}}},
    }


def _clean_name(name: str) -> str:
    """A job's name has no control characters, and double braces would be an expression."""
    printable = "".join(letter if letter.isprintable() else " " for letter in name)
    return " ".join(printable.replace("{", "(").replace("}", ")").split())[:MAX_NAME_CHARS] or "selva"
