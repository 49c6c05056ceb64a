"""`selva config`: show, get, set, unset and edit the settings, and where their file is."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selva_cli.options.command_app import CommandApp
from selva_cli.options.completion import complete_setting_values, complete_settings
from selva_cli.terminal.console import JsonOption, print_json, print_line, print_result, print_table
from selva_core.base.command_line import selva_command
from selva_core.base.errors import ConfigurationError, StorageError

if TYPE_CHECKING:
    from selva_core.base.settings import FoundSetting
    from selva_core.base.settings.row import Setting

EDITORS = ("nano", "vim", "vi", "emacs")

config_app = CommandApp(no_args_is_help=True)

NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A setting of `selva config show`.", autocompletion=complete_settings
    ),
]


@config_app.command()
def show(
    changed: Annotated[bool, typer.Option("--changed", help="Only those that are set somewhere.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show every setting, its value and where that was set."""
    from selva_core.base.settings import find_settings, rows  # noqa: PLC0415 - --help stays light

    found = find_settings()
    shown = [setting for setting in rows().values() if not changed or found[setting.name].source != "default"]
    if as_json:
        print_json([_describe(setting, found[setting.name]) for setting in shown])
        return
    print_table(
        ["setting", "value", "set by", "meaning"],
        [
            (
                setting.name,
                _show_value(setting, found[setting.name].value),
                found[setting.name].source,
                setting.row.about,
            )
            for setting in shown
        ],
        whole=("setting", "value"),
    )


@config_app.command()
def get(name: NameArgument, as_json: JsonOption = False) -> None:
    """Print the value of one setting, for scripts: a list has a line for each item, and nothing is printed for none."""
    from selva_core.base.settings import find_settings  # noqa: PLC0415
    from selva_core.base.settings.editing import find_setting  # noqa: PLC0415

    setting = find_setting(name)
    found = find_settings()[setting.name]
    if as_json:
        print_json(_describe(setting, found))
        return
    value = found.value
    for each in value if isinstance(value, tuple) else () if value is None else (value,):
        print_line(_plain_text(each))


# Values may begin with a dash: keep_alive_s is -1 for ever.
@config_app.command(name="set", context_settings={"ignore_unknown_options": True})
def set_(
    name: NameArgument,
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="VALUE...", help="Several for a list.", autocompletion=complete_setting_values
        ),
    ],
) -> None:
    """Set a setting in the file; comments and order in it stay."""
    from selva_core.base.settings.editing import find_setting, set_value  # noqa: PLC0415

    file = _settings_file()
    setting = find_setting(name)
    if setting.name == "model" and values != [""]:
        from selva_core.models.catalog import find_model  # noqa: PLC0415 - only for this setting

        for value in values:
            find_model(value.strip())
    value = set_value(file, name, values)
    print_result(f"{setting.name} = {_show_value(setting, value)} (in {file})")
    _warn_of_pending_effect(setting)


@config_app.command()
def unset(name: NameArgument) -> None:
    """Take a setting out of the file, so that its default holds again."""
    from selva_core.base.settings import rows  # noqa: PLC0415
    from selva_core.base.settings.editing import find_setting, unset_value  # noqa: PLC0415
    from selva_core.base.settings.table import current_name  # noqa: PLC0415

    file = _settings_file()
    was_there = unset_value(file, name)
    if current_name(name) not in rows():
        print_result(f"{name} was taken out of {file}; there is no such setting")
        return
    setting = find_setting(name)
    default = _show_value(setting, setting.default)
    if not was_there:
        print_result(f"{setting.name} is not set in {file}")
        return
    print_result(f"{setting.name} has its default again: {default}")
    _warn_of_pending_effect(setting)


@config_app.command()
def edit() -> None:
    """Open the file of settings in an editor; what is wrong there afterwards is refused with its line."""
    from selva_core.base.paths import ensure_private_folder  # noqa: PLC0415
    from selva_core.base.settings.editing import build_template, write_checked  # noqa: PLC0415

    file = _settings_file()
    ensure_private_folder(file.parent)
    content = file.read_bytes() if file.is_file() else build_template().encode()
    draft = file.with_name("selva.edited.toml")
    if not draft.is_file():  # one that was refused before is edited further
        draft.write_bytes(content)
    while True:
        _run_editor(draft)
        try:
            write_checked(file, draft.read_bytes())
            break
        except ConfigurationError as error:
            sys.stderr.write(f"selva: {error.message}\n")
            if not sys.stdin.isatty() or not typer.confirm("Edit it again?", default=True):
                raise ConfigurationError(
                    f"the settings are as they were; your changes are in {draft}. "
                    f"Go on with: {selva_command('config', 'edit')}",
                    path=str(draft),
                ) from error
    draft.unlink()
    print_result(f"written: {file}")


@config_app.command()
def path(as_json: JsonOption = False) -> None:
    """Print the path of the file of settings, which need not exist."""
    file = _settings_file()
    if as_json:
        print_json({"path": file, "exists": file.is_file()})
    else:
        print_line(str(file))


def _settings_file() -> Path:
    from selva_core.base.paths import AppPaths  # noqa: PLC0415

    return AppPaths.find().settings_file


def _describe(setting: Setting, found: FoundSetting) -> dict[str, Any]:
    value = found.value
    return {
        "name": setting.name,
        "value": str(value) if isinstance(value, Path) else value,
        "source": found.source,
        "default": setting.default,
        "unit": setting.row.unit,
        "choices": list(setting.row.choices),
        "needs_restart": setting.row.restart,
        "since": setting.row.since,
        "variable": setting.variable,
        "about": setting.row.about,
    }


def _show_value(setting: Setting, value: Any) -> str:
    if value is None:
        return f"({setting.row.unset})".replace("`", "")
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "(none)"
    return _plain_text(value)


def _plain_text(value: object) -> str:
    """As it can be given to `set` again."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _warn_of_pending_effect(setting: Setting) -> None:
    """Warn, on standard error, of what keeps a change from having an effect now."""
    from selva_core.base.paths import AppPaths  # noqa: PLC0415
    from selva_daemon.settings import load_settings  # noqa: PLC0415

    names = (setting.name, *setting.row.earlier_names)
    for variable in (f"SELVA_{name.upper()}" for name in names):
        if os.environ.get(variable):
            sys.stderr.write(f"selva: the variable {variable} is set here and has precedence; unset it\n")
    try:
        load_settings(_settings_file())
    except ConfigurationError as error:
        sys.stderr.write(f"selva: the daemon does not start with these settings yet: {error.message}\n")
    if setting.row.restart and AppPaths.find().own_connection_file.exists():
        sys.stderr.write(
            f"selva: a running daemon uses it after a restart: {selva_command('daemon', 'stop')}, "
            f"then {selva_command('daemon', 'start')}\n"
        )


def _run_editor(file: Path) -> None:
    command = [*_find_editor(), str(file)]
    try:
        done = subprocess.run(command, check=False)  # noqa: S603 - the user's own editor
    except OSError as exc:
        raise StorageError(
            f"the editor {command[0]} cannot be run: {exc.strerror or exc}; name another in EDITOR"
        ) from exc
    if done.returncode != 0:
        raise StorageError(
            f"the editor {command[0]} ended with status {done.returncode}; nothing was changed"
        )


def _find_editor(platform: str = sys.platform) -> Sequence[str]:
    for variable in ("VISUAL", "EDITOR"):
        if chosen := os.environ.get(variable, "").strip():
            # Windows' paths have backslashes, which POSIX rules would eat.
            try:
                return [word.strip('"') for word in shlex.split(chosen, posix=platform != "win32")]
            except ValueError as exc:
                raise StorageError(
                    f"the variable {variable} is no command: {str(exc).lower()}; got {chosen}. "
                    "Put its quotation marks right, or unset it"
                ) from exc
    if platform == "win32":
        return ["notepad"]
    if platform == "darwin":
        return ["open", "-W", "-t"]
    found = next((path for editor in EDITORS if (path := shutil.which(editor))), None)
    if found is None:
        raise StorageError(f"no editor was found; name one in EDITOR, or open {_settings_file()} yourself")
    return [found]
