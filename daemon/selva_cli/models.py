"""`selva models`: what there is, and what is installed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from selva_cli.console import JsonOption, say, say_json, say_table, size_words

if TYPE_CHECKING:
    from selva_core.models.pull import PullProgress

models_app = typer.Typer(no_args_is_help=True)


@models_app.command(name="list")
def list_models(as_json: JsonOption = False) -> None:
    """List the models; those that are installed can be used at once."""
    from selva_core.models.catalog import default_models_dir, listed_models, missing_files  # noqa: PLC0415 - not for --help

    folder = default_models_dir()
    rows = [(model, missing_files(model, folder)) for model in listed_models()]
    if as_json:
        say_json(
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
    say_table(
        ["model", "installed", "size", "knows"],
        [
            (model.model_id, "no" if missing else "yes", size_words(model.size_bytes), model.knows)
            for model, missing in rows
        ],
    )


@models_app.command(name="pull")
def pull(
    model_id: Annotated[str, typer.Argument(metavar="MODEL", help="A row of `selva models list`.")],
    accept_licences: Annotated[
        bool, typer.Option("--accept-licences", help="Take the licences as read; for scripts.")
    ] = False,
) -> None:
    """Fetch a model's published weights, after showing their licences. An interrupted pull is taken up again."""
    from selva_core.models.catalog import default_models_dir, find_model, missing_files  # noqa: PLC0415 - not for --help

    model = find_model(model_id)
    folder = default_models_dir()
    missing = missing_files(model, folder)
    if not missing:
        say(f"{model_id} is installed.")
        return
    if model.is_bundled:
        names = ", ".join(file.path for file in missing.values())
        sys.stderr.write(f"selva: {model_id} comes with this package; {names} is missing, install it again\n")
        raise typer.Exit(1)
    size_bytes = sum({file.relative_path: file.size_bytes for file in missing.values()}.values())
    say(f"{model_id}: {len(missing)} files, {size_words(size_bytes)}, into {folder}")
    say("\n".join(["Licences:", *(f"  {sentence}" for sentence in model.licences)]))
    if not accept_licences and not typer.confirm("Do you accept these licences?"):
        sys.stderr.write("selva: nothing was fetched\n")
        raise typer.Exit(1)
    from selva_core.models.pull import pull_model  # noqa: PLC0415 - loads a web client

    pull_model(model, folder, on_progress=_say_pull_progress)
    say(f"{model_id} is installed.")


def _say_pull_progress(progress: PullProgress) -> None:
    """The hub's client draws its own bar for the bytes; this says which file and what is done with it."""
    place = f"[{progress.file_index + 1}/{progress.num_files}]"
    say(f"{place} {progress.stage} {progress.path} ({size_words(progress.size_bytes)})")
