"""`selva models`: which models exist, which are installed, and fetching them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from selva_cli.terminal.console import JsonOption, format_size, print_json, print_line, print_table
from selva_cli.terminal.error_reporting import EXIT_REFUSED

if TYPE_CHECKING:
    from selva_core.models.pull import PullProgress

models_app = typer.Typer(no_args_is_help=True)


@models_app.command(name="list")
def list_models(as_json: JsonOption = False) -> None:
    """List the models, and which of them are installed."""
    from selva_core.models.catalog import default_models_dir, listed_models, missing_files  # noqa: PLC0415 - --help loads none of it

    folder = default_models_dir()
    rows = [(model, missing_files(model, folder)) for model in listed_models()]
    if as_json:
        print_json(
            [
                {
                    "model": model.model_id,
                    "installed": not missing,
                    "bundled": model.is_bundled,
                    "size_bytes": model.size_bytes,
                    "missing_files": [file.path for file in missing.values()],
                    "knows": model.knows,
                    "licences": list(model.licences),
                }
                for model, missing in rows
            ]
        )
        return
    print_table(
        ["model", "installed", "size", "knows"],
        [
            (model.model_id, "no" if missing else "yes", format_size(model.size_bytes), model.knows)
            for model, missing in rows
        ],
        whole=("model", "installed", "size"),
    )


@models_app.command(name="pull")
def pull(
    model_id: Annotated[str, typer.Argument(metavar="MODEL", help="A row of `selva models list`.")],
    accept_licences: Annotated[
        bool, typer.Option("--accept-licences", help="Accept the licences without a question; for scripts.")
    ] = False,
) -> None:
    """Fetch a model's published weights, after showing their licences. An interrupted pull is resumed by the next."""
    from selva_core.models.catalog import default_models_dir, find_model, missing_files  # noqa: PLC0415 - --help loads none of it

    model = find_model(model_id)
    folder = default_models_dir()
    missing = missing_files(model, folder)
    if not missing:
        print_line(f"{model_id} is installed.")
        return
    if model.is_bundled:
        names = ", ".join(file.path for file in missing.values())
        sys.stderr.write(f"selva: {model_id} comes with this package; {names} is missing, install it again\n")
        raise typer.Exit(EXIT_REFUSED)
    size_bytes = sum({file.relative_path: file.size_bytes for file in missing.values()}.values())
    print_line(f"{model_id}: {len(missing)} files, {format_size(size_bytes)}, into {folder}")
    print_line("\n".join(["Licences:", *(f"  {sentence}" for sentence in model.licences)]))
    if not accept_licences and not typer.confirm("Do you accept these licences?"):
        sys.stderr.write("selva: nothing was fetched\n")
        raise typer.Exit(EXIT_REFUSED)
    from selva_core.models.pull import pull_model  # noqa: PLC0415 - loads a web client

    pull_model(model, folder, on_progress=_print_pull_progress)
    print_line(f"{model_id} is installed.")


def _print_pull_progress(progress: PullProgress) -> None:
    """The client of the Hugging Face hub draws its own bar for the bytes; this line names the file and the stage."""
    count = f"[{progress.file_index + 1}/{progress.num_files}]"
    print_line(f"{count} {progress.stage} {progress.path} ({format_size(progress.size_bytes)})")
