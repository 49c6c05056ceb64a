"""Metadata that is set and read natively is what OpenTimelineIO's binding makes of it."""

from __future__ import annotations

from typing import Any

import opentimelineio as otio
import pytest

from selva_otio.formats.stem_metadata import iter_plain_stems, to_plain_value
from selva_otio.metadata import (
    SELVA_NAMESPACE,
    STEM_SCHEMA,
    TRACK_SCHEMA,
    read_plain_stem,
    set_metadata,
)

VALUES: list[dict[str, Any]] = [
    {},
    {
        "schema": STEM_SCHEMA,
        "takes": [{"take": 1, "url": "file:///a%20b.wav", "pan": [[0.0, -1.0]]}],
        "on": True,
    },
    {"name": "Straße 🚗 \ud7ff", "nothing": None, "list": [], "gain_db": -3.5},
    {"ends": [2**63 - 1, -(2**63), 0.1 + 0.2, 1e-7, 123456789.12345679, 5e-324]},
    {"shape": {"OTIO_SCHEMA": "Clip.9", "x": 1}},
]


@pytest.mark.parametrize("values", VALUES)
def test_metadata_is_set_as_the_binding_sets_it(values: dict[str, Any]) -> None:
    by_binding, by_us = otio.schema.Clip(), otio.schema.Clip()
    by_binding.metadata[SELVA_NAMESPACE] = values
    set_metadata(by_us, SELVA_NAMESPACE, values)
    assert by_us.to_json_string() == by_binding.to_json_string()


@pytest.mark.parametrize("value", [2**63, "\ud83d", object()])
def test_metadata_that_the_binding_refuses_is_refused(value: object) -> None:
    clip = otio.schema.Clip()
    with pytest.raises((TypeError, ValueError)):
        clip.metadata[SELVA_NAMESPACE] = {"value": value}
    with pytest.raises((TypeError, ValueError)):
        set_metadata(clip, SELVA_NAMESPACE, {"value": value})


def test_a_stem_is_read_as_plain_values_with_its_track() -> None:
    note = {**VALUES[1], **VALUES[2], "numbers": VALUES[3]["ends"]}
    timeline, track = otio.schema.Timeline(), otio.schema.Track(kind="Audio")
    track.metadata[SELVA_NAMESPACE] = {"schema": TRACK_SCHEMA, "prompts": ["dog"]}
    timeline.tracks.append(track)
    stem, other = otio.schema.Clip(), otio.schema.Clip()
    stem.metadata[SELVA_NAMESPACE] = note
    other.metadata[SELVA_NAMESPACE] = {**note, "schema": "another"}
    track.extend([stem, other])
    assert read_plain_stem(stem) == note == to_plain_value(stem.metadata[SELVA_NAMESPACE])
    assert read_plain_stem(other) == {}
    [(found, plain, plain_track)] = iter_plain_stems(timeline)
    assert found is stem
    assert (plain, plain_track) == (note, {"schema": TRACK_SCHEMA, "prompts": ["dog"]})
