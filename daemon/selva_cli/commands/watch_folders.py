"""`selva watch add`, `list`, `remove`, `pause`, `resume`, `forget`, `again`: the folders that the daemon watches."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selva_cli.options.option_groups import takes_groups
from selva_cli.options.timeline_options import ModelOption, TakesOption
from selva_cli.terminal.console import (
    JsonOption,
    format_time,
    print_json,
    print_line,
    print_result,
    print_table,
)
from selva_cli.terminal.error_reporting import report_errors
from selva_core.base.command_line import selva_command
from selva_core.base.errors import ConfigurationError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from selva_core.base.settings.watched_folder import WatchedFolder
    from selva_render.watch.journal import WatchJournal
    from selva_render.watch.journal_records import ItemRecord

SHOWN_ITEMS = 50
FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to watch.")]
KnownFolder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A watch folder; see: selva watch list")]
ItemsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME...", help="Items, by their names in the folder; see: selva watch list FOLDER"
    ),
]
SubfoldersOption = Annotated[
    bool, typer.Option("--subfolders/--no-subfolders", help="Whether folders in it are watched too.")
]
ChangesOption = Annotated[
    str,
    typer.Option(
        "--changes",
        metavar="auto|events|polling",
        help="How changes are noticed. auto: the system's events on local disks, polling on shares.",
    ),
]
MoveOption = Annotated[
    bool,
    typer.Option(
        "--move-sources", help="Put sources that are done into `done`, those that fail into `failed`."
    ),
]


@dataclass(frozen=True, kw_only=True)
class WatchedFolderArguments:
    """How a folder is watched, as it was typed."""

    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="RESULTS", help="Where results go. By default beside each source."
        ),
    ] = None
    model: ModelOption = None
    takes: TakesOption = 1
    handles_s: Annotated[
        float, typer.Option("--handles", metavar="SECONDS", help="Sound before and after each clip.")
    ] = 0.0
    subfolders: SubfoldersOption = True
    changes: ChangesOption = "auto"
    settle_s: Annotated[
        float | None,
        typer.Option("--settle", metavar="SECONDS", help="How long a file must stay as it is. By default 5."),
    ] = None
    rescan_s: Annotated[
        float | None,
        typer.Option("--rescan", metavar="SECONDS", help="Between two looks at all files. By default 60."),
    ] = None
    move_sources: MoveOption = False
    hook: Annotated[
        list[str] | None,
        typer.Option(
            "--hook",
            metavar="ARGUMENT",
            help="A program to run for each ended item; repeat for its arguments.",
        ),
    ] = None
    webhook: Annotated[
        str | None, typer.Option("--webhook", metavar="URL", help="Where each outcome is posted as JSON.")
    ] = None
    hours: Annotated[
        str, typer.Option("--hours", metavar="RANGES", help='When items are begun: "mon-fri 20:00-07:00".')
    ] = ""
    notify: Annotated[
        bool, typer.Option("--notify", help="Show a notice on the desktop for each outcome.")
    ] = False

    pages: Annotated[
        bool,
        typer.Option("--pages/--no-pages", help="Whether results have a page with pictures and players."),
    ] = True

    def build(self, folder: Path) -> WatchedFolder:
        """Raises ConfigurationError, RequestError, UnknownModelError."""
        from selva_core.base.settings import load_settings  # noqa: PLC0415
        from selva_core.base.settings.watched_folder import (  # noqa: PLC0415 - --help stays light
            WatchedFolder,
            require_watchable,
        )
        from selva_render.options import choose_model  # noqa: PLC0415
        from selva_render.watch.hooks import require_allowed_webhook  # noqa: PLC0415

        require_watchable(folder)
        if self.model is not None:  # now, and not in a note on each item tonight
            choose_model(self.model)
        values: dict[str, Any] = {name: value for name, value in vars(self).items() if value is not None}
        output = values.pop("output", None)
        try:
            watched = WatchedFolder.from_value(
                {
                    **values,
                    "path": os.path.abspath(folder),
                    **({} if output is None else {"results": os.path.abspath(output)}),
                }
            )
        except ValueError as error:
            raise RequestError(str(error)) from error
        if watched.webhook is not None:
            require_allowed_webhook(watched.webhook, load_settings().watch_webhook_hosts)
        return watched


@takes_groups
def add(*, folder: FolderArgument, watching: WatchedFolderArguments, as_json: JsonOption = False) -> None:
    """Let the daemon watch a folder, also after a restart; it is written into the settings."""
    from selva_core.base.settings.editing import change_watched_folders  # noqa: PLC0415 - --help stays light

    with report_errors(as_json=as_json):
        added = watching.build(folder)
        change_watched_folders(
            _settings_file(), lambda before: (*(each for each in before if each.path != added.path), added)
        )
    if as_json:
        print_json(added.to_table())
        return
    print_result(f"the daemon watches {added.path} while it runs")
    _warn_of_missing_daemon()


def list_folders(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="Show the items of this watch folder.")
    ] = None,
    state: Annotated[
        list[str] | None, typer.Option("--state", help="Only items in this state; may be repeated.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="How many of the newest items.")
    ] = SHOWN_ITEMS,
    as_json: JsonOption = False,
) -> None:
    """List the watch folders, or the items of one: what waits, is rendered, is done, and failed."""
    from selva_render.watch.folder import opened_journal  # noqa: PLC0415 - --help stays light
    from selva_render.watch.journal_records import ITEM_STATES  # noqa: PLC0415

    path = None
    with report_errors(as_json=as_json):
        for name in state or ():
            if name not in ITEM_STATES:
                raise typer.BadParameter(f"a state is {', '.join(ITEM_STATES)}; got {name!r}")
        watched = _load_watched()
        with opened_journal() as journal:
            if folder is None:
                rows = [_describe_folder(each, journal) for each in watched]
            else:
                path = _require_watched(folder, journal)
                rows = [
                    _describe_item(record)
                    for record in journal.items(path, states=state or ITEM_STATES, limit=limit)
                ]
    if as_json:
        print_json({"folders": rows} if path is None else {"folder": _text(str(path)), "items": rows})
    elif folder is None:
        _show_folders(rows)
    else:
        _show_items(rows)


def remove(folder: KnownFolder, as_json: JsonOption = False) -> None:
    """Watch a folder no more, and forget its items; its files and results stay."""
    from selva_core.base.settings.editing import change_watched_folders  # noqa: PLC0415 - --help stays light
    from selva_render.watch.folder import opened_journal  # noqa: PLC0415

    with report_errors(as_json=as_json), opened_journal() as journal:
        path = _require_watched(folder, journal)
        change_watched_folders(
            _settings_file(), lambda before: tuple(each for each in before if each.path != path)
        )
        journal.remove_folder(path)
    print_json({"removed": str(path)}) if as_json else print_result(f"{path} is not watched any more")


def pause(folder: KnownFolder, as_json: JsonOption = False) -> None:
    """Begin no more items of a folder; what is being rendered goes on. Survives a restart."""
    _set_paused(folder, True, as_json=as_json)


def resume(folder: KnownFolder, as_json: JsonOption = False) -> None:
    """End a pause."""
    _set_paused(folder, False, as_json=as_json)


def forget(folder: KnownFolder, names: ItemsArgument = None, as_json: JsonOption = False) -> None:
    """Forget what is known of items, or without a name of those that are gone. Files that are still there count as new."""
    from selva_render.watch.claims import forget_claims  # noqa: PLC0415 - --help stays light
    from selva_render.watch.folder import opened_journal  # noqa: PLC0415
    from selva_render.watch.journal_records import GONE  # noqa: PLC0415

    with report_errors(as_json=as_json), opened_journal() as journal:
        path = _require_watched(folder, journal)
        chosen = names or [record.name for record in journal.items(path, states=(GONE,))]
        records = [_require_item(journal, path, name) for name in chosen]
        num_forgotten = journal.forget(path, chosen)
        roots = [path, *(each.results for each in _load_watched() if each.path == path and each.results)]
        for root in roots:
            forget_claims(root, [record.content for record in records if record.content])
    print_json({"forgotten": num_forgotten}) if as_json else print_result(
        f"forgotten: {_items(num_forgotten)}"
    )


def again(folder: KnownFolder, names: ItemsArgument = None, as_json: JsonOption = False) -> None:
    """Render items once more, or without a name all that failed."""
    from selva_render.watch.folder import opened_journal  # noqa: PLC0415 - --help stays light
    from selva_render.watch.item_outcomes import restore_source  # noqa: PLC0415
    from selva_render.watch.journal_records import FAILED  # noqa: PLC0415

    with report_errors(as_json=as_json), opened_journal() as journal:
        path = _require_watched(folder, journal)
        chosen = names or [record.name for record in journal.items(path, states=(FAILED,))]
        for name in chosen:
            restore_source(_require_item(journal, path, name))
        journal.request_again(path, chosen)
    if as_json:
        print_json({"again": chosen})
        return
    print_result(f"to be rendered again: {_items(len(chosen))}")
    _warn_of_missing_daemon()


def _items(number: int) -> str:
    return "1 item" if number == 1 else f"{number} items"


def _set_paused(folder: Path, paused: bool, *, as_json: bool) -> None:
    from selva_render.watch.folder import opened_journal  # noqa: PLC0415 - --help stays light

    with report_errors(as_json=as_json), opened_journal() as journal:
        path = _require_watched(folder, journal)
        journal.set_paused(path, paused)
    if as_json:
        print_json({"folder": str(path), "paused": paused})
        return
    go_on = f"; go on with: {selva_command('watch', 'resume', str(path))}" if paused else ""
    print_result(f"{path} is {'paused' if paused else 'watched again'}{go_on}")


def _require_watched(folder: Path, journal: WatchJournal) -> Path:
    """The path of a folder that is watched, by the settings or by a `selva watch run`. Raises ConfigurationError."""
    path = Path(os.path.abspath(folder))
    watched = [each.path for each in _load_watched()]
    if path in watched or any(journal.counts(path).values()) or journal.folder(path).scanned_s is not None:
        return path
    known = f"watched are {', '.join(map(str, watched))}" if watched else "none is watched"
    raise ConfigurationError(
        f"{path} is no watch folder; {known}. Add it with: {selva_command('watch', 'add', str(path))}"
    )


def _require_item(journal: WatchJournal, folder: Path, name: str) -> ItemRecord:
    """Raises RequestError with the nearest name."""
    from selva_core.base.misspelling import suggest  # noqa: PLC0415 - --help stays light

    record = journal.item(folder, name)
    if record is None:
        like = suggest(name, (each.name for each in journal.items(folder)))
        raise RequestError(
            f"{folder} has no item {name!r}{like}; list them with: {selva_command('watch', 'list', str(folder))}"
        )
    return record


def _load_watched() -> Sequence[WatchedFolder]:
    from selva_core.base.settings import load_settings  # noqa: PLC0415 - --help stays light

    return load_settings().watch_folders


def _settings_file() -> Path:
    from selva_core.base.paths import AppPaths  # noqa: PLC0415

    return AppPaths.find().settings_file


def _describe_folder(watched: WatchedFolder, journal: WatchJournal) -> dict[str, Any]:
    record = journal.folder(watched.path)
    return {
        **watched.to_table(),
        "paused": record.is_paused,
        "available": record.is_available,
        "noticed_by": record.changes,
        "note": record.note,
        "scanned_s": record.scanned_s,
        "items": dict(journal.counts(watched.path)),
    }


def _describe_item(record: ItemRecord) -> dict[str, Any]:
    return {
        "name": _text(record.name),
        "state": record.state,
        "reason": record.reason,
        "results": record.results or None,
        "same_as": record.same_as or None,
        "note": record.note or None,
        "moved_to": record.moved_to or None,
        "jobs": list(record.jobs),
        "changed_s": record.changed_s,
        "not_before_s": record.not_before_s or None,
    }


def _show_folders(rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        print_line(f"no folder is watched; add one with: {selva_command('watch', 'add', 'FOLDER')}")
        return
    print_table(
        ["folder", "state", "waiting", "done", "failed", "changes", "note"],
        [
            (
                row["path"],
                "paused" if row["paused"] else "away" if not row["available"] else "watched",
                sum(row["items"][state] for state in ("waiting", "rendering", "elsewhere")),
                row["items"]["done"],
                row["items"]["failed"],
                row["noticed_by"] or "-",
                row["note"],
            )
            for row in rows
        ],
        whole=("folder", "state"),
    )


def _show_items(rows: Sequence[dict[str, Any]]) -> None:
    print_table(
        ["item", "state", "since", "results", "reason"],
        [
            (
                row["name"] if row["name"].isprintable() else ascii(row["name"]),
                row["state"],
                format_time(row["changed_s"]),
                row["results"] or "-",
                " ".join(row["reason"].split()),
            )
            for row in rows
        ],
        whole=("item", "state"),
    )


def _warn_of_missing_daemon() -> None:
    """Watch folders are served by the daemon of this machine; nothing happens without one."""
    from selva_core.base.paths import AppPaths  # noqa: PLC0415

    if not AppPaths.find().own_connection_file.exists():
        sys.stderr.write(f"selva: no daemon runs; start it with: {selva_command('daemon', 'start')}\n")


def _text(name: str) -> str:
    """A name that need not be UTF-8, for JSON."""
    return name.encode("utf-8", "backslashreplace").decode()


COMMANDS: tuple[Callable[..., None], ...] = (add, list_folders, remove, pause, resume, forget, again)
