"""Headers that a stream repeats: one that differs from the others is damaged, or begins another stream."""

from __future__ import annotations

from collections.abc import Sequence


class RepeatedHeaders:
    """Collects the headers of a stream, by their kind and identifier."""

    def __init__(self) -> None:
        self._seen: dict[int, dict[bytes, list[int]]] = {}

    def add(self, kind: int, content: bytes, packet: int) -> None:
        """A header is in a packet."""
        seen = self._seen.setdefault(kind, {}).setdefault(content, [packet, 0])
        seen[1] += 1

    def odd(self) -> Sequence[int]:
        """The first packet of each header that is not the usual one of its kind."""
        return [
            packet
            for contents in self._seen.values()
            for packet, _ in sorted(contents.values(), key=lambda seen: (-seen[1], seen[0]))[1:]
        ]
