"""`selva models`: which models exist, what they cost and where they are. Changing them is in `model_changes`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from selva_cli.commands.model_changes import ModelArgument, import_, move, pull, remove, verify
from selva_cli.options.command_app import CommandApp
from selva_cli.terminal.console import (
    JsonOption,
    format_duration,
    format_size,
    print_json,
    print_line,
    print_table,
)

if TYPE_CHECKING:
    from selva_core.models.catalog import Model
    from selva_core.models.store.costs import ModelCosts

models_app = CommandApp(no_args_is_help=True)


@models_app.command(name="list")
def list_models(
    commercial: Annotated[
        bool, typer.Option("--commercial", help="Only models whose licences allow paid work.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the models, and which of them are installed."""
    from selva_core.models.catalog import default_models_dir, listed_models, missing_files  # noqa: PLC0415 - --help loads none of it

    folder = default_models_dir()
    models = [model for model in listed_models() if model.allows_commercial or not commercial]
    rows = [(model, missing_files(model, folder)) for model in models]
    if as_json:
        print_json(
            [
                {
                    "model": model.model_id,
                    "installed": not missing,
                    "bundled": model.is_bundled,
                    "commercial": model.allows_commercial,
                    "size_bytes": model.size_bytes,
                    "gpu_memory_bytes": _gpu_memory(model),
                    "missing_files": [file.path for file in missing.values()],
                    "knows": model.knows,
                    "licences": [licence.sentence for licence in model.licences],
                }
                for model, missing in rows
            ]
        )
        return
    print_table(
        ["model", "installed", "size", "GPU from", "paid work", "knows"],
        [
            (
                model.model_id,
                "no" if missing else "yes",
                format_size(model.size_bytes),
                format_size(_gpu_memory(model)["low"]),
                "yes" if model.allows_commercial else "no",
                model.knows,
            )
            for model, missing in rows
        ],
        whole=("model", "installed", "size", "GPU from", "paid work"),
    )


@models_app.command()
def info(
    model_id: ModelArgument,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe/--no-probe",
            help="Measure for a second how quickly this machine calculates, for the time.",
        ),
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Show what a model costs in disk, memory and time here, its files and its licences."""
    from selva_core.models.catalog import default_models_dir, find_model, missing_files  # noqa: PLC0415 - --help loads none of it
    from selva_core.models.store.costs import estimate_costs  # noqa: PLC0415
    from selva_core.models.store.speed import measure_speed  # noqa: PLC0415

    model, folder = find_model(model_id), default_models_dir()
    costs = estimate_costs(model, folder, speed=measure_speed() if probe else None)
    missing = missing_files(model, folder)
    if as_json:
        print_json(
            {
                "model": model_id,
                "knows": model.knows,
                "installed": not missing,
                "commercial": model.allows_commercial,
                "costs": costs,
                "files": [_describe_file(model, role, role not in missing) for role in model.files],
                "licences": [
                    {
                        "licence": each.licence_id,
                        "sentence": each.sentence,
                        "commercial": each.allows_commercial,
                    }
                    for each in model.licences
                ],
            }
        )
        return
    print_line(f"{model_id}: {model.knows}")
    print_line(
        f"installed: {'no' if missing else 'yes'}; paid work: {'yes' if model.allows_commercial else 'no'}"
    )
    _print_costs(costs)
    print_table(
        ["file", "role", "on disk", "installed"],
        [
            (file.path, role, format_size(file.stored_bytes), "no" if role in missing else "yes")
            for role, file in model.files.items()
        ],
    )
    print_line("\n".join(["Licences:", *(f"  {licence.sentence}" for licence in model.licences)]))


@models_app.command()
def where(as_json: JsonOption = False) -> None:
    """Show the folder of the weights, what lies in it and how much room is left."""
    from selva_core.models.catalog import default_models_dir  # noqa: PLC0415 - --help loads none of it
    from selva_core.models.store.usage import read_usage  # noqa: PLC0415

    usage = read_usage(default_models_dir())
    if as_json:
        print_json(usage)
        return
    print_line(str(usage.folder))
    print_line(f"set by: {usage.set_by}")
    print_line(f"free on its disk: {format_size(usage.free_bytes)}")
    print_line(
        f"weights: {format_size(usage.weights_bytes)}, of which models share {format_size(usage.shared_bytes)}"
    )
    if usage.partial_bytes:
        print_line(f"fetched in part: {format_size(usage.partial_bytes)}; the next pull goes on with it")
    for model_id, size_bytes in usage.installed.items():
        print_line(f"  {model_id}  {format_size(size_bytes)}")


def _gpu_memory(model: Model) -> dict[str, int]:
    """What a model needs of a GPU by the values of the setting `memory`, in bfloat16."""
    from selva_core.models.memory_needs import LOW, NORMAL, estimate_needs  # noqa: PLC0415 - --help loads none of it

    needs = estimate_needs(model, has_bfloat16=True)
    return {NORMAL: needs.normal_bytes, LOW: needs.low_bytes}


def _describe_file(model: Model, role: str, is_installed: bool) -> dict[str, object]:
    file = model.files[role]
    return {
        "role": role,
        "repository": file.repository,
        "path": file.path,
        "published_bytes": file.size_bytes,
        "stored_bytes": file.stored_bytes,
        "md5": file.md5,
        "installed": is_installed,
    }


def _print_costs(costs: ModelCosts) -> None:
    print_line(f"disk: {format_size(costs.disk_bytes)} ({costs.disk_basis})")
    if costs.download_bytes:
        print_line(f"still to fetch: {format_size(costs.download_bytes)} (as published)")
    print_line(f"memory: {format_size(costs.memory_bytes)} ({costs.memory_basis})")
    if costs.device_bytes:
        print_line(
            f"memory of a GPU: {format_size(costs.device_bytes)}, or {format_size(costs.device_low_bytes)} with the setting "
            "memory low (estimated, in bfloat16)"
        )
    if costs.seconds is not None:
        print_line(f"time for one stem of 8 s: {format_duration(costs.seconds)} ({costs.time_basis})")
    else:
        print_line(f"time for one stem of 8 s: not known ({costs.time_basis})")


models_app.command(name="pull")(pull)
models_app.command(name="verify")(verify)
models_app.command(name="import")(import_)
models_app.command(name="remove")(remove)
models_app.command(name="move")(move)
