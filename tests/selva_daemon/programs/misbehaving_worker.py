"""A worker that does what the label of its job says: stall, silence, garbage, or a job well done."""

from __future__ import annotations

import os
import sys
import threading
import time

from selva_daemon.protocol.worker_link import (
    read_packed,
    take_over_standard_streams,
    unpack_message,
    write_message,
)

BEAT_S = 0.05


def main() -> None:
    orders, reports = take_over_standard_streams()
    lock = threading.Lock()
    silent = threading.Event()

    def send(say: str, **facts: object) -> None:
        with lock:
            write_message(reports, {"say": say, **facts})

    def beat() -> None:
        while not silent.wait(BEAT_S):
            send("beat")

    threading.Thread(target=beat, daemon=True).start()
    send("ready", pid=os.getpid())
    while (packed := read_packed(orders)) is not None:
        order = unpack_message(packed)
        if order["do"] == "stop":
            return
        if order["do"] != "render":
            continue
        [job] = order["jobs"]
        label = job["request"]["label"]
        if label == "silence":
            silent.set()
        elif label == "garbage":
            with lock:
                reports.write(b"\x00\x00\x00\x04\xc1\xc1\xc1\xc1" + b"\xff" * 64)
                reports.flush()
        elif label == "fine":
            send("done", job_id=job["job_id"], stems=[])
        else:
            time.sleep(0)  # the beats go on, the job does not


if __name__ == "__main__":
    sys.exit(main())
