"""The panel: a page in the browser, served from this machine, where people spot, render, listen, choose and place.

    cut = open_cut(Path("cut.otio"))
    serve_panel(cut, paths=AppPaths.find(), on_ready=print)

The server binds to loopback, keeps the state of a session in a file, and has the daemon do the work. Names are imported when they
are used: the process that reads pictures needs no server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from selva_core.base.lazy_import import lazy_names

if TYPE_CHECKING:
    from selva_panel.http.server import serve_panel
    from selva_panel.timeline.cut import Cut, open_cut

__all__ = ["Cut", "open_cut", "serve_panel"]

__getattr__ = lazy_names(
    __name__,
    {
        "Cut": "selva_panel.timeline.cut",
        "open_cut": "selva_panel.timeline.cut",
        "serve_panel": "selva_panel.http.server",
    },
)
