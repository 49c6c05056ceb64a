"""Write the JSON Schemas of what `--json` prints, docs/reference/json/*.schema.json, from the types of the outputs.

python -m selva_render.json_schemas docs/reference/json            # write them
python -m selva_render.json_schemas docs/reference/json --check    # change nothing; status 1 when one is out of date
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from selva_core.base.errors import SelvaError
from selva_daemon.protocol.status import JobStatus
from selva_render.json_outputs import (
    ConformOutput,
    ErrorBody,
    ErrorOutput,
    RenderOutput,
    SpotOutput,
    WatchAddOutput,
    WatchChangeOutput,
    WatchItemsOutput,
    WatchListOutput,
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"
OUTPUTS: Mapping[str, tuple[str, Any]] = {
    "render": ("selva render --json, selva stems --json", RenderOutput),
    "spot": ("selva spot --json", SpotOutput),
    "conform": ("selva conform --json", ConformOutput),
    "jobs": ("selva jobs list --json", list[JobStatus]),
    "watch": ("each line of selva jobs watch --json; selva jobs show --json", JobStatus),
    "watch-add": ("selva watch add --json", WatchAddOutput),
    "watch-list": ("selva watch list --json", WatchListOutput),
    "watch-items": ("selva watch list FOLDER --json", WatchItemsOutput),
    "watch-change": ("selva watch remove, pause, resume, again and forget --json", WatchChangeOutput),
    "error": ("every command with --json that is refused", ErrorOutput),
}
"""File name: the command, and the type of what it prints."""


def build_schemas() -> dict[str, dict[str, Any]]:
    """The schema of each output, by the name of its file without suffix."""
    return {
        name: {
            "$schema": DIALECT,
            "title": title,
            **msgspec.json.schema(kind, schema_hook=_describe_other, ref_template="#/$defs/{name}"),
        }
        for name, (title, kind) in OUTPUTS.items()
    }


def _describe_other(kind: type) -> dict[str, Any]:
    """Errors are printed with code, message and facts."""
    if issubclass(kind, SelvaError):
        schema: dict[str, Any] = msgspec.json.schema_components([ErrorBody])[1]["ErrorBody"]
        return schema
    raise NotImplementedError(kind)


def main(arguments: Sequence[str]) -> int:
    """Write the schemas into a folder, or with --check compare them; gives the exit status."""
    folder, is_check = Path(arguments[0]), "--check" in arguments
    status = 0
    for name, schema in build_schemas().items():
        file = folder / f"{name}.schema.json"
        text = json.dumps(schema, indent=2, ensure_ascii=True) + "\n"
        if is_check:
            is_same = file.is_file() and file.read_text(encoding="utf-8") == text
            status |= not is_same
        else:
            file.write_text(text, encoding="utf-8", newline="\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
