"""Whether the edges of a stretch that was made anew are heard: level and spectrum across the edges against the earlier take.

    PYTHONPATH=.:bench python bench/takes/redo_edges.py [--clips 12] [--seconds 6] [--first-seed 1000000] [--steps 4] [--extend]

Each clip is a scene that no training has seen, with one sustained source and one source of impacts; selva-nano renders a
stem of each, and makes the second from 2 s to 3 s anew with another seed. At both edges the sound before is compared with
the sound after over 0.05 and 0.25 s, as bench/takes/seams.py does at joins of windows: in the new take, in the earlier take
at the same places, and at places inside stretches and takes that are far from any edge. With --extend a stem of the clip without
its first and last second is made that much longer, and the joins are compared with places inside the earlier stem and with
the same places of a stem that was made of the whole clip. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from seams import PICTURE_SIZE_PX, RATE_HZ, FloatArray, Stem, build_clip, describe_run, load_model

from selva_core.audio.splice import Splice
from selva_core.audio.stem_writer import write_stem
from selva_core.audio.wav import read_wave_audio
from selva_core.base.media import PictureRange
from selva_core.engine import Extension, RedoneStretch, SamplingSettings, StemRequest, Waveform
from selva_core.training.prompts import HELD_BACK
from selva_core.training.scenes.scene_files import write_video

START_S, END_S = Fraction(2), Fraction(3)
REACHES_S = (0.05, 0.25)
INSIDE_S = (2.3, 2.5, 2.7)
ADDED_S = Fraction(1)
PERCENTILES = (50, 90)


def render(picture: PictureRange, request: StemRequest, num_steps: int) -> Waveform:
    [waveform] = load_model().render(
        picture,
        [request],
        settings=SamplingSettings(num_steps=num_steps),
        on_progress=lambda _: None,
        is_cancelled=lambda: False,
    )
    return waveform


def read_samples(path: Path) -> FloatArray:
    audio = read_wave_audio(path)
    return audio.read(0, audio.num_samples)


def redo(folder: Path, picture: PictureRange, prompt: str, num_steps: int) -> tuple[FloatArray, FloatArray]:
    """The earlier take and the new one, as their files hold them at the model's rate."""
    base = StemRequest(prompt=prompt)
    old = render(picture, base, num_steps)
    stretch = RedoneStretch(base=base, start_s=START_S, end_s=END_S, base_latents=old.latents)
    new = render(picture, StemRequest(prompt=prompt, seed=77, redo=stretch), num_steps)
    num_samples = len(old.samples)
    common = {"sample_rate_hz": RATE_HZ, "num_samples": num_samples, "provenance": {"track": "t"}}
    write_stem(folder / "old.wav", old, **common)  # type: ignore[arg-type]
    splice = Splice(file=folder / "old.wav", stretches=((int(START_S * RATE_HZ), int(END_S * RATE_HZ)),))
    write_stem(folder / "new.wav", new, splice=splice, **common)  # type: ignore[arg-type]
    return read_samples(folder / "old.wav"), read_samples(folder / "new.wav")


def extend(folder: Path, picture: PictureRange, prompt: str, num_steps: int) -> tuple[FloatArray, FloatArray]:
    """The stem of the whole clip, and one of its middle that was made longer, as their files hold them."""
    base = StemRequest(prompt=prompt)
    earlier = picture.part(ADDED_S, picture.duration_s - 2 * ADDED_S)
    old = render(earlier, base, num_steps)
    extends = Extension(base=base, head_s=ADDED_S, tail_s=ADDED_S, base_latents=old.latents)
    new = render(picture, StemRequest(prompt=prompt, seed=77, extends=extends), num_steps)
    whole = render(picture, base, num_steps)
    common = {"sample_rate_hz": RATE_HZ, "provenance": {"track": "t"}}
    write_stem(folder / "old.wav", old, num_samples=len(old.samples), **common)  # type: ignore[arg-type]
    added = int(ADDED_S * RATE_HZ)
    splice = Splice.beside(
        folder / "old.wav", num_samples=len(old.samples), head_samples=added, tail_samples=added
    )
    write_stem(folder / "new.wav", new, num_samples=len(new.samples), splice=splice, **common)  # type: ignore[arg-type]
    write_stem(folder / "whole.wav", whole, num_samples=len(whole.samples), **common)  # type: ignore[arg-type]
    before, after = read_samples(folder / "old.wav"), read_samples(folder / "new.wav")
    inside = slice(round(0.1 * RATE_HZ), -round(0.1 * RATE_HZ))
    assert np.array_equal(before[inside], after[added : added + len(before)][inside])
    return read_samples(folder / "whole.wav"), after


def measure(options: argparse.Namespace) -> dict[str, list[float]]:
    """Changes by measure, reach and place."""
    changes: dict[str, list[float]] = {}
    for seed in range(options.first_seed, options.first_seed + options.clips):
        scene = build_clip(seed, float(options.seconds))
        for placed in scene.targets:
            with tempfile.TemporaryDirectory() as name:
                file = Path(name) / "scene.mp4"
                write_video(scene, file, size_px=PICTURE_SIZE_PX)
                picture = PictureRange(path=file, start_s=Fraction(0), duration_s=options.seconds)
                make = extend if options.extend else redo
                old, new = make(Path(name), picture, HELD_BACK[placed.source.kind][0], options.steps)
            changed = np.flatnonzero(old != new) / RATE_HZ
            changes.setdefault("changed from, to", []).extend([float(changed.min()), float(changed.max())])
            edges, inside = (float(START_S), float(END_S)), INSIDE_S
            if options.extend:
                edges = (float(ADDED_S), float(options.seconds - ADDED_S))
            for where, stem, places in (
                ("edge of the new take", Stem(new), edges),
                ("same place in the other take", Stem(old), edges),
                ("inside", Stem(new), inside),
            ):
                for reach_s in REACHES_S:
                    for place_s in places:
                        for kind, value in stem.change_at(place_s, reach_s).items():
                            changes.setdefault(f"{kind}, {reach_s} s, {where}", []).append(value)
    return changes


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--seconds", type=Fraction, default=Fraction(6))
    parser.add_argument("--first-seed", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--extend", action="store_true")
    options = parser.parse_args(arguments)
    options.processes = 1
    changes = measure(options)
    span = changes.pop("changed from, to")
    rows = {
        name: {
            "mean": round(float(np.mean(values)), 4),
            **{f"p{p}": round(float(np.percentile(values, p)), 4) for p in PERCENTILES},
        }
        for name, values in changes.items()
    }
    print(
        json.dumps(
            {
                "changed_s": [min(span), max(span)],
                "changes": rows,
                "steps": options.steps,
                **describe_run(options),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
