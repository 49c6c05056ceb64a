"""Numbers about the daemon in the Prometheus text format (prometheus.io, exposition format 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from selva_daemon.protocol.status import ProcessStatus

Labels = Mapping[str, str]


class RequestCounter:
    """How many requests came, by channel, type and outcome; all unknown types count as one, so that their number is limited."""

    def __init__(self, known: Mapping[str, Iterable[str]]) -> None:
        self._known = {channel: frozenset(types) for channel, types in known.items()}
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def count(self, channel: str, request_type: str, outcome: str) -> None:
        known_type = request_type if request_type in self._known[channel] else "unknown"
        self._counts[channel, known_type, outcome] += 1

    def samples(self) -> list[tuple[Labels, float]]:
        return [
            ({"channel": channel, "type": request_type, "outcome": outcome}, float(count))
            for (channel, request_type, outcome), count in sorted(self._counts.items())
        ]


def build_metrics(
    *,
    uptime_s: float,
    queue: Mapping[str, int],
    finished: Mapping[str, int],
    processes: Sequence[ProcessStatus],
    requests: RequestCounter,
    refused_connections: int,
) -> str:
    """One page of metrics. finished: jobs that ended since the start, by state."""
    blocks = [
        _block("selva_uptime_seconds", "gauge", "Time since the daemon started.", [({}, uptime_s)]),
        _block("selva_jobs", "gauge", "Jobs in the queue and its history, by state.", _by("state", queue)),
        _block("selva_jobs_finished_total", "counter", "Jobs that ended, by how.", _by("state", finished)),
        _block(
            "selva_process_resident_bytes",
            "gauge",
            "Memory of each process.",
            [({"role": process.role}, float(process.memory_bytes or 0)) for process in processes],
        ),
        _block(
            "selva_worker_restarts_total",
            "counter",
            "Workers that died and were replaced.",
            [({}, float(sum(process.restarts for process in processes)))],
        ),
        _block("selva_requests_total", "counter", "Requests, by outcome.", requests.samples()),
        _block(
            "selva_refused_connections_total",
            "counter",
            "Connections with an unknown key.",
            [({}, float(refused_connections))],
        ),
    ]
    return "".join(blocks)


def _by(label: str, counts: Mapping[str, int]) -> list[tuple[Labels, float]]:
    return [({label: name}, float(count)) for name, count in counts.items()]


def _block(name: str, kind: str, help_text: str, samples: Sequence[tuple[Labels, float]]) -> str:
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        inside = ",".join(f'{label}="{text}"' for label, text in labels.items())
        lines.append(f"{name}{{{inside}}} {value:g}" if inside else f"{name} {value:g}")
    return "\n".join(lines) + "\n"
