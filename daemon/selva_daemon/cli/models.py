"""`selva models`: what there is, and what is installed."""

from __future__ import annotations

import typer

from selva_daemon.cli.console import JsonOption, say_json, say_table, size_words

models_app = typer.Typer(no_args_is_help=True)


@models_app.command(name="list")
def list_models(as_json: JsonOption = False) -> None:
    """List the models; those that are installed can be used at once."""
    from selva_core.models import default_models_dir, listed_models, missing_files  # noqa: PLC0415 - not for --help

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
