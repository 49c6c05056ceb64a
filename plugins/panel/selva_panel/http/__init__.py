"""The server: routes, security, and the socket of events."""
