"""What runs in the process that talks to Resolve Studio: the three primitives over its scripting library.

Resolve's library can hang in a call or end its process, so nothing else runs there: this room loads neither timelines nor
sockets. `hosts.resolve.studio` starts that process and talks to it. Import the modules by name.
"""

__all__ = [
    "child",
    "library",
    "media_pool",
    "placement",
    "removal",
    "resolve_api",
    "stem_placer",
    "timeline_reader",
]
