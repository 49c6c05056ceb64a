"""The Lua agent inside Resolve, from outside: its source in parts, the messages that pass between it and the bridge, and the
watch that answers them. Import the modules by name.
"""

__all__ = ["lua_literals", "messages", "source", "watch", "watched_request"]
