"""The command line `selva`: `main` starts it, `app` puts the commands together, `commands` has a module for each group of
them, `options` what several take, `terminal` how all of them print. Its public face is what it prints
(docs/formats/timelines.md, docs/operation/daemon.md); from Python, use selva_render and selva_daemon.
"""

__all__: list[str] = []
