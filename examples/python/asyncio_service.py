"""A service on asyncio: JSON lines in, JSON lines out, many requests at a time.

    python examples/python/asyncio_service.py STEMS < requests.jsonl

A request is {"id": ..., "video": ..., "seconds": ..., "prompt": ...}. Each gets one answer, in the order in which they are
finished: {"id": ..., "files": [...]} or {"id": ..., "error": {"code": ..., "message": ...}}. The daemon keeps the queue; a
request that waits costs nothing here.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from selva_core.base.errors import SelvaError
from selva_core.base.media import PictureRange
from selva_daemon import AsyncClient, CueRequest, JobRequest, OutputRequest, TakeRequest
from selva_render import choose_model

SAMPLE_RATE_HZ = 48_000


async def main(arguments: Sequence[str]) -> int:
    folder = Path(arguments[0]).absolute()
    lines = await asyncio.to_thread(sys.stdin.readlines)
    async with await AsyncClient.connect(start_if_needed=True) as client:
        answers = [
            asyncio.create_task(answer(client, json.loads(line), folder)) for line in lines if line.strip()
        ]
        for finished in asyncio.as_completed(answers):
            print(json.dumps(await finished), flush=True)
    return 0


async def answer(client: AsyncClient, request: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The stems of one request, or why there are none."""
    try:
        submitted = await client.submit(build_job(request, folder))
        status = (await client.wait(submitted.job_id)).raise_for_state()
    except SelvaError as error:
        return {"id": request["id"], "error": {"code": error.code, "message": error.message}}
    return {"id": request["id"], "files": [stem.file for stem in status.stems]}


def build_job(request: Mapping[str, Any], folder: Path) -> JobRequest:
    duration_s = Fraction(str(request["seconds"]))
    name = f"request-{request['id']}"
    cue = CueRequest(
        cue=name, track="Sound", prompt=request["prompt"], takes=(TakeRequest(take=1, seed=42, name=name),)
    )
    return JobRequest(
        label=name,
        media=PictureRange(
            path=Path(request["video"]).absolute(), start_s=Fraction(0), duration_s=duration_s
        ),
        model=choose_model(None),
        output=OutputRequest(folder=folder, num_samples=round(duration_s * SAMPLE_RATE_HZ)),
        cues=(cue,),
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
