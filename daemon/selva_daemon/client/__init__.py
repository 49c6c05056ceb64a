"""The client: a synchronous and an asyncio face over one transport, and the start of a daemon where none runs."""
