"""What client, server and worker say to one another, defined once: requests, replies, errors, keys, the worker's link.

Specified in docs/protocol.md. Needs sockets and processes nowhere but in `keys` (CURVE pairs) and `connection` (is it alive?).
"""
