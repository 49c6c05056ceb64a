"""The messages between client, server and worker, defined once: requests, replies, errors, keys, the worker's link.

Specified in docs/reference/protocol.md.
Needs sockets and processes nowhere but in `keys` (CURVE pairs) and `connection` (is it alive?).
"""
