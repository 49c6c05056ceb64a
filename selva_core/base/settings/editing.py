"""Changes to the file of settings, which keep comments, order and everything else that a person wrote there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selva_core.base.atomic_write import explain_os_error, write_atomic
from selva_core.base.errors import ConfigurationError, LockHeldError, StorageError
from selva_core.base.file_lock import FileLock
from selva_core.base.paths import ensure_private_folder
from selva_core.base.settings.file import EARLIER_FILE, parse_settings, read_settings_file
from selva_core.base.settings.loading import describe_unknown, find_settings
from selva_core.base.settings.row import Setting
from selva_core.base.settings.table import current_name, rows
from selva_core.base.settings.watched_folder import WatchedFolder

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

LOCK_PATIENCE_S = 5.0
_LOCK_RETRY_S = 0.02
TAKEN_OVER_SUFFIX = ".taken-over"
_HEADER = "Settings of Selva Bridge. All there are: selva config show"


def find_setting(name: str) -> Setting:
    """The row of that name, or of a name that it had earlier. Raises ConfigurationError with the nearest name."""
    setting = rows().get(current_name(name))
    if setting is None:
        raise ConfigurationError(describe_unknown(name), name=name)
    return setting


def set_value(file: Path, name: str, given: Sequence[str]) -> Any:
    """Write a setting into the file; gives its value. given: the texts of a command line, several for a list.

    A wrong value of the setting itself is mended so, also where others are wrong too: they are set right one after the
    other. Raises ConfigurationError, also for a file that is wrong elsewhere alone; StorageError.
    """
    setting = find_setting(name)
    if setting.kind is not tuple and len(given) != 1:
        raise ConfigurationError(f"{setting.name} takes one value; got {len(given)}", name=setting.name)
    value = setting.convert(list(given) if setting.kind is tuple else given[0])
    with _open_document(file, mended=(setting.name, *setting.row.earlier_names)) as document:
        for earlier in setting.row.earlier_names:
            document.pop(earlier, None)
        document[setting.name] = _as_toml(value)
    return value


def change_watched_folders(
    file: Path, change: Callable[[tuple[WatchedFolder, ...]], tuple[WatchedFolder, ...]]
) -> tuple[WatchedFolder, ...]:
    """Replace the watch folders in the file by what `change` makes of them; gives the new ones. Raises as `set_value` does."""
    setting = find_setting("watch_folders")
    with _open_document(file, mended=()) as document:
        before: tuple[WatchedFolder, ...] = setting.convert(document.unwrap().get(setting.name, ()))
        after: tuple[WatchedFolder, ...] = setting.convert(change(before))
        document.pop(setting.name, None)
        if after:
            document[setting.name] = _as_toml(after)
    return after


def unset_value(file: Path, name: str) -> bool:
    """Take a setting out of the file, so that its default holds; whether it was there. Raises as `set_value` does.

    A name that the file has and that no setting has is taken out as well.
    """
    if name in {given.name for given in read_settings_file(file)} and current_name(name) not in rows():
        names: tuple[str, ...] = (name,)
    else:
        setting = find_setting(name)
        names = (setting.name, *setting.row.earlier_names)
    was_there = False
    with _open_document(file, mended=names) as document:
        for each in names:
            was_there |= document.pop(each, None) is not None
    return was_there


def take_over_earlier_file(file: Path) -> Path | None:
    """Move what `daemon.json` sets into `file`, unless that says otherwise; the earlier file is renamed, not deleted.

    Gives the new path of the earlier file; None where there is none. Raises ConfigurationError, StorageError.
    """
    earlier = file.with_name(EARLIER_FILE)
    values = read_settings_file(earlier)
    if not values:
        return None
    find_settings(earlier, environment={})
    with _locked(file):
        document = _read_document(file)
        for given in values:
            name = current_name(given.name)
            if name not in document:
                document[name] = _as_toml(rows()[name].convert(given.value))
        _write_document(file, document)
        target = earlier.with_name(EARLIER_FILE + TAKEN_OVER_SUFFIX)
        try:
            earlier.replace(target)
        except OSError as exc:
            raise StorageError(
                f"{earlier} cannot be renamed: {explain_os_error(exc)}", path=str(earlier)
            ) from exc
    return target


def build_template() -> str:
    """The content of a new file: every setting with its meaning and default, all commented out."""
    lines = [f"# {_HEADER}", ""]
    group = ""
    for setting in rows().values():
        if setting.row.group != group:
            group = setting.row.group
            lines += [f"# -- {group} --", ""]
        unit = f" ({setting.row.unit})" if setting.row.unit else ""
        default = _as_toml(setting.default)
        written = '""' if default is None else json.dumps(default, ensure_ascii=False)
        lines += [f"# {setting.row.about}{unit}", f"# {setting.name} = {written}", ""]
    return "\n".join(lines)


def write_checked(file: Path, content: bytes) -> None:
    """Replace the file by content that holds. Raises ConfigurationError that names the line, and StorageError."""
    check_content(file, content)
    _write(file, content)


def check_content(file: Path, content: bytes) -> None:
    """Raises ConfigurationError unless the content holds as that of `file`."""
    for error in _find_problems(file, content).values():
        raise error


def _find_problems(file: Path, content: bytes) -> dict[str, ConfigurationError]:
    """What is wrong with each setting of the content. Raises ConfigurationError where it is no TOML."""
    problems = {}
    for given in parse_settings(content, file):
        try:
            find_setting(given.name).convert(given.value)
        except ConfigurationError as error:
            problem = ConfigurationError(f"{given.source}: {error.message}", **error.facts)
            problem.__cause__ = error
            problems[given.name] = problem
    return problems


@contextmanager
def _open_document(file: Path, *, mended: Collection[str]) -> Iterator[TOMLDocument]:
    """The document of the file, to change the settings `mended`; it is written at the end. A document in which only others
    are wrong is refused.
    """
    take_over_earlier_file(file)
    with _locked(file):
        document = _read_document(file, mended=mended)
        yield document
        _write_document(file, document)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Two commands that change settings at the same time must not undo each other's change."""
    ensure_private_folder(file.parent)
    lock = FileLock(file.with_name(".selva.toml.lock"))
    give_up_s = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            lock.acquire()
            break
        except LockHeldError as exc:
            if time.monotonic() >= give_up_s:
                raise StorageError(
                    f"{file} is being changed by another command; try again", path=str(file)
                ) from exc
            time.sleep(_LOCK_RETRY_S)
    try:
        yield
    finally:
        lock.release()


def _read_document(file: Path, *, mended: Collection[str] = ()) -> TOMLDocument:
    import tomlkit  # noqa: PLC0415 - takes 40 ms, and only changes need it

    try:
        content = file.read_bytes()
    except FileNotFoundError:
        document = tomlkit.document()
        document.add(tomlkit.comment(_HEADER))
        document.add(tomlkit.nl())
        return document
    except OSError as exc:
        raise StorageError(f"{file} cannot be read: {exc.strerror or exc}", path=str(file)) from exc
    problems = _find_problems(file, content)
    if problems and not problems.keys() & set(mended):
        raise next(iter(problems.values()))
    return tomlkit.parse(content.decode("utf-8-sig"))


def _write_document(file: Path, document: TOMLDocument) -> None:
    import tomlkit  # noqa: PLC0415

    _write(file, tomlkit.dumps(document).encode())


def _write(file: Path, content: bytes) -> None:
    # A link stays one: people keep such files in a folder of their own and link to them.
    write_atomic(file.resolve(), content, error=StorageError)


def _as_toml(value: Any) -> Any:
    if isinstance(value, tuple):
        return [each.to_table() if isinstance(each, WatchedFolder) else each for each in value]
    return str(value) if isinstance(value, Path) else value
