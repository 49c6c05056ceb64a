"""`selva cache`: info and clear. Several processes may use the stores, so no daemon is needed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from selva_cli.options.command_app import CommandApp
from selva_cli.terminal.console import (
    JsonOption,
    format_size,
    print_json,
    print_result,
    print_table,
)

if TYPE_CHECKING:
    from selva_daemon.worker.blob_store import BlobStore

cache_app = CommandApp(no_args_is_help=True)


@cache_app.command()
def info(as_json: JsonOption = False) -> None:
    """Show what the caches hold."""
    found = {name: store.info() for name, store in _stores().items()}
    if as_json:
        print_json(
            {
                name: {
                    "folder": str(store.folder),
                    "entries": store.num_entries,
                    "size_bytes": store.size_bytes,
                    "max_bytes": store.max_bytes,
                }
                for name, store in found.items()
            }
        )
        return
    print_table(
        ["cache", "entries", "size", "limit", "folder"],
        [
            (
                name,
                store.num_entries,
                format_size(store.size_bytes),
                format_size(store.max_bytes),
                store.folder,
            )
            for name, store in found.items()
        ],
    )


@cache_app.command()
def clear(as_json: JsonOption = False) -> None:
    """Empty the caches; stems in your folders stay."""
    freed = {name: store.clear().size_bytes for name, store in _stores().items()}
    print_json({"freed_bytes": freed}) if as_json else print_result(
        f"{format_size(sum(freed.values()))} freed"
    )


def _stores() -> dict[str, BlobStore]:
    from selva_core.base.paths import AppPaths  # noqa: PLC0415
    from selva_core.base.settings import load_settings  # noqa: PLC0415
    from selva_daemon.worker.blob_store import BlobStore  # noqa: PLC0415 - --help loads no stores

    paths = AppPaths.find()
    settings = load_settings(paths.settings_file)
    paths = replace(paths, cache=settings.cache_dir or paths.cache)
    return {
        "stems": BlobStore(paths.stem_cache, max_bytes=settings.stem_cache_bytes),
        "features": BlobStore(paths.feature_cache, max_bytes=settings.feature_cache_bytes),
    }
