"""What it costs to write, read and check the largest job: 256 cues with two takes each.

    python bench/protocol_schema.py [--rounds 200]

Prints one JSON object. Times are milliseconds of processor time in one thread: what the client spends before it sends a
submission (`encode`), what the daemon spends on the message (`decode`: MessagePack and the limits of the envelope; `validate`:
every field), and on one that is refused with a fault in each cue (`refuse`).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import msgspec
from daemon_bench import describe_machine

from selva_core.base.media import PictureRange
from selva_daemon.protocol import requests
from selva_daemon.protocol.envelope import Envelope, pack, parse
from selva_daemon.protocol.errors import InvalidRequestError
from selva_daemon.protocol.job import CueRequest, JobRequest, OutputRequest, TakeRequest, parse_job

NUM_CUES = 256


def build_job(folder: Path) -> JobRequest:
    return JobRequest(
        label="sc 12",
        media=PictureRange(path=folder / "a.mov", start_s=Fraction(1001, 24000), duration_s=Fraction(8)),
        model="selva-echo",
        output=OutputRequest(folder=folder / "stems", num_samples=384_000),
        cues=tuple(
            CueRequest(
                cue=f"cue-{index}",
                track=f"Track {index}",
                prompt=f"boots on wet gravel, step {index}",
                negative_prompt="music, speech",
                takes=tuple(
                    TakeRequest(take=take, seed=index + take, name=f"sc12_boots_{index}_t{take}")
                    for take in (1, 2)
                ),
            )
            for index in range(NUM_CUES)
        ),
        provenance={"source": "a.mov"},
    )


def processor_ms(action: Callable[[], object], rounds: int) -> dict[str, float]:
    times_ms = []
    for _ in range(rounds):
        begun_ns = time.process_time_ns()
        action()
        times_ms.append((time.process_time_ns() - begun_ns) / 1e6)
    return {"median": round(statistics.median(times_ms), 3), "min": round(min(times_ms), 3)}


def encode(job: JobRequest) -> bytes:
    request = requests.submit(job)
    return pack(Envelope(type=request.type, request_id="1", session="s", body=request.body))


def refuse(body: object) -> None:
    try:
        parse_job(body)
    except InvalidRequestError:
        return
    raise AssertionError("a job with faults was accepted")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args(argv).rounds
    job = build_job(Path.cwd())
    packed = encode(job)
    body = parse([packed]).body
    faulty = {**body, "cues": [{**cue, "prompt": ""} for cue in body["cues"]]}
    figures = {
        "num_cues": NUM_CUES,
        "message_bytes": len(packed),
        "encode_ms": processor_ms(lambda: encode(job), rounds),
        "decode_ms": processor_ms(lambda: parse([packed]), rounds),
        "validate_ms": processor_ms(lambda: parse_job(body), rounds),
        "refuse_ms": processor_ms(lambda: refuse(faulty), rounds),
        "msgspec": msgspec.__version__,
    }
    print(json.dumps({**figures, **describe_machine()}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
