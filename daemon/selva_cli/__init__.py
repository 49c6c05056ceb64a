"""The command line `selva`: one module for each group of commands. Its public face is what it prints (docs/timelines.md,
docs/daemon.md); from Python, use selva_render and selva_daemon.
"""

__all__: list[str] = []
