"""Who hands a bundle's jobs to a daemon: found by entry point, so that this package needs no service to be installed.

A package that can send declares it in its metadata:

    [project.entry-points."selva_otio.bundle_sender"]
    selva_render = "selva_render.bundle_sender"
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Protocol, cast

from selva_core.base.command_line import reinstall_command, selva_command
from selva_otio.errors import CueError
from selva_otio.formats.request_bundle.bundle_folder import RequestBundle

ENTRY_POINT_GROUP = "selva_otio.bundle_sender"
ProgressListener = Callable[[float, str], None]


class BundleSender(Protocol):
    """What a sender of bundles offers; a module with these functions is one."""

    def submit(self, bundle: RequestBundle) -> list[str]:
        """Hand the jobs to the daemon that runs; returns their ids."""
        ...

    def fill_and_wait(self, bundle: RequestBundle, on_progress: ProgressListener | None) -> list[str]:
        """The same, and wait until the stems are in the bundle. on_progress: called with 0..1 and a text."""
        ...

    def add_proxies(self, bundle: RequestBundle) -> None:
        """Put small movies into the bundle that models can look at in place of the media."""
        ...


def find_sender() -> BundleSender:
    """The one sender that is installed; nothing is loaded before this is called.

    Raises CueError when there is none, when it cannot be loaded, or when several are installed.
    """
    found = {point.value: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    if not found:
        raise CueError(
            "submit, wait and small pictures need the daemon of the package selva-bridge, and no installed package has it: "
            f"install it (again, after an update from source) with: {reinstall_command()}; or write the bundle, and render "
            f"it where it is installed: {selva_command('render', 'cut.selva')}"
        )
    if len(found) > 1:
        raise CueError(f"several packages send bundles ({', '.join(sorted(found))}); uninstall all but one")
    [point] = found.values()
    try:
        return cast("BundleSender", point.load())
    except (ImportError, AttributeError) as error:
        raise CueError(
            f"submit, wait and small pictures need {point.value}, which cannot be loaded ({error}); install selva-bridge "
            f"again with: {reinstall_command()}; or write the bundle and render it elsewhere: selva render cut.selva"
        ) from error
