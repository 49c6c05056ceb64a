"""Compare two results of `bench/speed.py --json`: how many times as long the second takes, stage by stage.

    python bench/speed.py --json > a.json
    python bench/speed.py --json > b.json
    python bench/compare.py a.json b.json

Refuses results of different cases. Where machine, threads or load differ, it says so: such ratios are worth little.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

CASE = ("model", "prompts", "takes", "steps", "clip_seconds")
SURROUNDINGS = ("processor", "cores", "threads", "system", "repeats")
BUSY_LOAD_PER_CORE = 0.5


def load_result(file: Path) -> dict[str, Any]:
    """The last line of a file that is a JSON object with seconds. Raises SystemExit for any other file."""
    try:
        lines = file.read_text(encoding="utf-8").strip().splitlines()
        result = json.loads(lines[-1] if lines else "")
    except (OSError, ValueError) as exc:
        raise SystemExit(f"{file} is no result of bench/speed.py --json: {exc}") from exc
    if not isinstance(result, dict) or "seconds" not in result:
        raise SystemExit(f"{file} is no result of bench/speed.py --json: it has no seconds")
    return result


def iter_differences(one: Mapping[str, Any], other: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    for name in names:
        if one.get(name) != other.get(name):
            yield f"{name}: {one.get(name)} and {other.get(name)}"


def iter_warnings(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """Why a ratio may mean little."""
    yield from iter_differences(one, other, SURROUNDINGS)
    for name, result in (("first", one), ("second", other)):
        load, cores = result.get("load", [0.0])[0], result.get("cores") or 1
        # the measured process itself is part of the load
        if load > result.get("threads", 1) + BUSY_LOAD_PER_CORE * cores:
            yield f"the machine was busy in the {name}: load {load} on {cores} cores"


def ratios(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, float, float, float | None]]:
    """Rows (what, first, second, second / first); no ratio where the first is 0."""
    pairs: list[tuple[str, float, float]] = []
    for part in ("seconds", "again"):
        for stage in one[part]:
            name = stage if part == "seconds" else f"again: {stage}"
            pairs.append((name, float(one[part][stage]), float(other[part][stage])))
    sizes = ("load_seconds", "peak_rss_mb", "loaded_rss_mb")
    pairs.extend((name, float(one[name]), float(other[name])) for name in sizes)
    return [(name, a, b, b / a if a else None) for name, a, b in pairs]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--json", action="store_true", help="print one JSON object of ratios")
    options = parser.parse_args(arguments)
    one, other = load_result(options.first), load_result(options.second)
    if differences := list(iter_differences(one, other, CASE)):
        raise SystemExit(f"the results are of different cases: {'; '.join(differences)}")
    rows = ratios(one, other)
    for warning in iter_warnings(one, other):
        print(f"note: {warning}", file=sys.stderr)
    if options.json:
        print(json.dumps({name: ratio for name, _, _, ratio in rows}))
        return 0
    print(f"{'':<18}{one.get('commit', ''):>12}{other.get('commit', ''):>12}{'ratio':>8}")
    print(f"{'precision':<18}{one.get('dtype', ''):>12}{other.get('dtype', ''):>12}")
    for name, first, second, ratio in rows:
        print(f"{name:<18}{first:>12.2f}{second:>12.2f}{'-' if ratio is None else f'{ratio:.2f}':>8}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
