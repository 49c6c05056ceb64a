"""`selva models pull`, `verify`, `import`, `remove` and `move`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selva_cli.options.completion import complete_models
from selva_cli.terminal.console import (
    JsonOption,
    format_size,
    print_json,
    print_line,
    print_result,
    print_table,
)
from selva_cli.terminal.error_reporting import EXIT_REFUSED
from selva_core.base.command_line import reinstall_command, selva_command
from selva_core.base.errors import InstallationBrokenError, RequestError, WeightsMissingError

if TYPE_CHECKING:
    from selva_core.models.catalog import Model
    from selva_core.models.licences import AcceptedLicences, Licence
    from selva_core.models.pull import PullReport
    from selva_core.models.store.verification import VerifiedFile

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
ModelArgument = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="A row of `selva models list`.", autocompletion=complete_models),
]


def pull(
    model_id: ModelArgument,
    accept_licences: Annotated[
        bool,
        typer.Option(
            "--accept-licence",
            "--accept-licences",
            help="Accept the licences without a question; for scripts.",
        ),
    ] = False,
    accept_changed: Annotated[
        bool,
        typer.Option("--accept-changed", help="Take files that differ from those that were fetched first."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch a model's published weights, after showing their licences. An interrupted pull is resumed by the next."""
    from selva_core.base.paths import AppPaths  # noqa: PLC0415 - --help loads none of it
    from selva_core.models.catalog import default_models_dir, find_model, missing_files, require_allowed  # noqa: PLC0415
    from selva_core.models.licences import AcceptedLicences  # noqa: PLC0415
    from selva_core.models.pull import PullReport  # noqa: PLC0415

    model, folder = find_model(model_id), default_models_dir()
    require_allowed(model)
    missing = missing_files(model, folder)
    if not missing:
        _report_pull(model, PullReport(), as_json=as_json)
        return
    if model.is_bundled:
        names = ", ".join(file.path for file in missing.values())
        raise InstallationBrokenError(
            f"{model_id} comes with this package, and {names} is missing; install it again: {reinstall_command()}"
        )
    size_bytes = sum({file.relative_path: file.stored_bytes for file in missing.values()}.values())
    if not as_json:
        print_result(f"{model_id}: {len(missing)} files, {format_size(size_bytes)} on disk, into {folder}")
    _require_accepted(
        AcceptedLicences(AppPaths.find().licences_file),
        model.licences,
        accepted=accept_licences,
        as_json=as_json,
        shown_by=("models", "info", model.model_id, "--no-probe"),
    )
    _report_pull(model, _pull(model, folder, accept_changed=accept_changed), as_json=as_json)


def _pull(model: Model, folder: Path, *, accept_changed: bool) -> PullReport:
    from selva_cli.terminal.download_bar import DownloadBar  # noqa: PLC0415 - slow to load
    from selva_core.models.pull import pull_model  # noqa: PLC0415

    try:
        with DownloadBar() as bar:
            return pull_model(model, folder, on_progress=bar, accept_changed=accept_changed)
    except KeyboardInterrupt:
        again = selva_command("models", "pull", model.model_id)
        sys.stderr.write(f"selva: what was fetched is kept; go on with: {again}\n")
        raise


def _report_pull(model: Model, report: PullReport, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "model": model.model_id,
                "installed": True,
                "added": [str(path) for path in report.added],
                "fetched_bytes": report.fetched_bytes,
                "stored_bytes": report.stored_bytes,
            }
        )
        return
    if report.added:
        print_result(
            f"fetched {format_size(report.fetched_bytes)}, stored {format_size(report.stored_bytes)}"
        )
    print_result(f"{model.model_id} is installed.")


def _require_accepted(
    accepted_licences: AcceptedLicences,
    licences: Sequence[Licence],
    *,
    accepted: bool,
    as_json: bool,
    shown_by: Sequence[str] = ("models", "list", "--json"),
) -> None:
    """Show what has not been accepted yet and ask once; the answer is recorded. shown_by: the command that shows it again."""
    new = accepted_licences.not_accepted(licences)
    if not new:
        return
    if not as_json:
        print_line("\n".join(["Licences:", *(f"  {licence.sentence}" for licence in new)]))
    if not accepted and not _ask_for_acceptance(new, as_json=as_json, shown_by=shown_by):
        sys.stderr.write("selva: nothing was fetched\n")
        raise typer.Exit(EXIT_REFUSED)
    accepted_licences.accept(new)


def _ask_for_acceptance(licences: list[Licence], *, as_json: bool, shown_by: Sequence[str]) -> bool:
    if as_json or not sys.stdin.isatty():
        names = ", ".join(licence.licence_id for licence in licences)
        raise RequestError(
            f"the licences {names} have not been accepted, and there is no terminal to ask on; read them with "
            f"{selva_command(*shown_by)}, then add --accept-licence",
            licences=[licence.licence_id for licence in licences],
        )
    return typer.confirm("Do you accept these licences?")


def verify(
    model_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="By default every model that is installed, also in part.",
            autocompletion=complete_models,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read the files of models again and compare them with their hashes; damaged ones are fetched anew by the next pull."""
    from selva_core.models.catalog import default_models_dir, find_model, installed_files, listed_models  # noqa: PLC0415
    from selva_core.models.store.verification import MISSING, WHOLE, verify_models  # noqa: PLC0415

    folder = default_models_dir()
    models = (
        [find_model(model_id)]
        if model_id is not None
        else [model for model in listed_models() if installed_files(model, folder)]
    )
    lines = _LongWork("read")
    found = verify_models(models, folder, on_bytes=lines.add, on_wait=_say_waiting)
    if model_id is None:  # models share files, so that one may be there in part without having been pulled
        found = {name: [file for file in files if file.state != MISSING] for name, files in found.items()}
    is_whole = all(file.state == WHOLE for files in found.values() for file in files)
    if as_json:
        print_json({"whole": is_whole, "models": found})
    else:
        _print_verified(found)
    if not is_whole:
        raise typer.Exit(EXIT_REFUSED)


def _print_verified(found: dict[str, list[VerifiedFile]]) -> None:
    print_table(
        ["model", "role", "state", "compared with", "file"],
        [
            (model_id, file.role, file.state, file.compared_with or "-", file.path)
            for model_id, files in found.items()
            for file in files
        ],
        whole=("model", "role", "state"),
    )
    for model_id, files in found.items():
        for file in files:
            if file.problem:
                sys.stderr.write(f"selva: {file.path}: {file.problem}\n")
        if any(file.state != "whole" for file in files):
            sys.stderr.write(
                f"selva: fetch what is missing or damaged: {selva_command('models', 'pull', model_id)}\n"
            )


def import_(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Of files fetched elsewhere, or of MMAudio, SelVA or ComfyUI."),
    ],
    accept_licences: Annotated[
        bool,
        typer.Option("--accept-licence", "--accept-licences", help="Accept the licences without a question."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Add weights from files that are here already, known by their content; on the same drive they are linked, not copied."""
    from selva_core.base.paths import AppPaths  # noqa: PLC0415 - --help loads none of it
    from selva_core.models.catalog import default_models_dir, listed_models, missing_files  # noqa: PLC0415
    from selva_core.models.licences import AcceptedLicences  # noqa: PLC0415
    from selva_core.models.store.importing import import_weights, require_folder  # noqa: PLC0415

    require_folder(folder := folder.expanduser())
    licences = [each for model in listed_models() if not model.is_bundled for each in model.licences]
    known = AcceptedLicences(AppPaths.find().licences_file)
    _require_accepted(known, list(dict.fromkeys(licences)), accepted=accept_licences, as_json=as_json)
    models_dir = default_models_dir()
    report = import_weights(folder, models_dir, on_file=_LongWork("looking at").show, on_wait=_say_waiting)
    lacking = {
        model.model_id: [file.path for file in missing.values()]
        for model in listed_models()
        if (missing := missing_files(model, models_dir))
    }
    if as_json:
        print_json(
            {
                "imported": report.imported,
                "present": report.present,
                "refused": report.refused,
                "missing": lacking,
            }
        )
        return
    for each in report.imported:
        print_line(f"{each.how}: {each.source} -> {each.path} ({format_size(each.size_bytes)})")
    for path in report.present:
        print_line(f"installed already: {path}")
    for source, reason in report.refused.items():
        print_line(f"not used: {source}: {reason}")
    if not (report.imported or report.present or report.refused):
        print_line(f"no weights of these models are in {folder}")
    for model_id, paths in lacking.items():
        print_line(f"{model_id} still needs: {', '.join(paths)}")


def remove(model_id: ModelArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Delete a model's files, but those that other installed models need."""
    from selva_core.models.catalog import default_models_dir, find_model  # noqa: PLC0415 - --help loads none of it
    from selva_core.models.store.removal import remove_model  # noqa: PLC0415

    model, folder = find_model(model_id), default_models_dir()
    if model.is_bundled:
        raise RequestError(
            f"{model_id} comes with this package and takes {format_size(model.size_bytes)}; it stays"
        )
    if not yes and not as_json and sys.stdin.isatty():
        typer.confirm(f"Delete the files of {model_id} in {folder}?", abort=True)
    report = remove_model(model, folder, on_wait=_say_waiting)
    if not (report.removed or report.freed_bytes):
        raise WeightsMissingError(_describe_nothing_removed(model_id, report.shared), model=model_id)
    if as_json:
        print_json(
            {
                "model": model_id,
                "removed": [str(path) for path in report.removed],
                "freed_bytes": report.freed_bytes,
                "kept": report.shared,
            }
        )
        return
    for path, users in report.shared.items():
        print_line(f"stays: {path}, which {', '.join(users)} needs")
    print_result(f"{len(report.removed)} files removed, {format_size(report.freed_bytes)} freed")


def _describe_nothing_removed(model_id: str, shared: dict[str, list[str]]) -> str:
    if not shared:
        return f"{model_id} is not installed; what is: {selva_command('models', 'list')}"
    users = sorted({user for users in shared.values() for user in users})
    return (
        f"{model_id} is not installed; the files that it shares stay, because {', '.join(users)} needs them"
    )


def move(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="An empty or a new folder, on any drive.")],
    as_json: JsonOption = False,
) -> None:
    """Move all weights to another folder or drive, and use them there from now on."""
    from selva_core.base.paths import AppPaths  # noqa: PLC0415 - --help loads none of it
    from selva_core.base.settings import find_settings  # noqa: PLC0415
    from selva_core.base.settings.editing import set_value  # noqa: PLC0415
    from selva_core.models.catalog import default_models_dir  # noqa: PLC0415
    from selva_core.models.store.relocation import move_models  # noqa: PLC0415

    set_by = find_settings()["models_dir"].source
    if set_by.startswith("the variable"):
        raise RequestError(
            f"{set_by} names the folder of the weights, and a move cannot change it; unset it, set models_dir instead "
            f"({selva_command('config', 'set', 'models_dir', 'FOLDER')}), and move then"
        )
    lines = _LongWork("moved")
    settings_file, target = AppPaths.find().settings_file, folder.expanduser().absolute()
    report = move_models(
        default_models_dir(),
        target,
        change_setting=lambda path: set_value(settings_file, "models_dir", [str(path)]),
        on_bytes=lambda done, total: lines.show(f"{format_size(done)} of {format_size(total)}"),
        on_wait=_say_waiting,
    )
    if as_json:
        print_json({"folder": target, **vars(report)})
        return
    how = f"{format_size(report.copied_bytes)} copied" if report.copied_bytes else "nothing had to be copied"
    print_result(f"{report.num_files} files, {format_size(report.size_bytes)}, are in {target} now; {how}")
    for path in report.left_behind:
        print_line(f"in use, delete it later: {path}")
    if report.foreign:
        parent = report.foreign[0].parent
        print_line(f"{len(report.foreign)} files or folders that are not of models stay in {parent}")


class _LongWork:
    """A line on standard error now and then, while gigabytes are read."""

    def __init__(self, verb: str) -> None:
        from selva_cli.terminal.progress_bars import ProgressLines  # noqa: PLC0415 - slow to load

        self._verb = verb
        self._lines = ProgressLines()
        self._num_bytes = 0

    def show(self, what: object) -> None:
        self._lines.show(f"{self._verb} {what}")

    def add(self, num_bytes: int) -> None:
        self._num_bytes += num_bytes
        self.show(format_size(self._num_bytes))


def _say_waiting() -> None:
    sys.stderr.write("selva: another selva changes the models folder; waiting for it\n")
    sys.stderr.flush()
