"""The watch folder: what is put into it is rendered once."""

from selva_render.watch.folder import WatchFolder

__all__ = ["WatchFolder"]
