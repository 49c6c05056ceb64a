"""The server process: sockets, authentication, request handlers, log and metrics."""
