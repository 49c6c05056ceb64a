"""A worker that does what the label of its job says: stall, silence, garbage, or a job well done."""

from __future__ import annotations

import os
import threading

import msgspec

from selva_daemon.protocol.worker_link import (
    Heartbeat,
    JobDone,
    RenderCommand,
    StopCommand,
    WorkerEvent,
    WorkerReady,
    parse_command,
    read_packed,
    take_over_standard_streams,
    write_message,
)

BEAT_S = 0.05


def main() -> None:
    command_stream, event_stream = take_over_standard_streams()
    lock = threading.Lock()
    silent = threading.Event()

    def send(event: WorkerEvent) -> None:
        with lock:
            write_message(event_stream, event)

    def beat() -> None:
        while not silent.wait(BEAT_S):
            send(Heartbeat())

    threading.Thread(target=beat, daemon=True).start()
    send(WorkerReady(pid=os.getpid()))
    while (packed := read_packed(command_stream)) is not None:
        command = parse_command(packed)
        if isinstance(command, StopCommand):
            return
        if not isinstance(command, RenderCommand):
            continue
        [task] = command.jobs
        label = msgspec.msgpack.decode(task.request)["label"]
        if label == "silence":
            silent.set()
        elif label == "garbage":
            with lock:
                event_stream.write(b"\x00\x00\x00\x04\xc1\xc1\xc1\xc1" + b"\xff" * 64)
                event_stream.flush()
        elif label == "fine":
            send(JobDone(job_id=task.job_id, stems=()))
        # Any other label: the heartbeats go on, the job does not.


if __name__ == "__main__":
    main()
