"""The generator learns silence for what is not in the picture, and goes on with what is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from selva_core.models.catalog import default_models_dir, find_model, installed_files
from selva_core.models.nano_spec import NANO_SPEC
from selva_core.network import load_network
from selva_core.training.evaluation import measures
from selva_core.training.scenes.departures import NUM_PLAIN_KINDS, draw_departure, draw_strange_picture
from selva_core.training.scenes.scene import build_scene
from selva_core.training.stages.absence import (
    SHARES,
    Batch,
    compute_absence_losses,
    draw_batch,
    load_trainable_generator,
)
from selva_core.training.stages.absence_rows import (
    ALL_SILENT,
    NO_ROW,
    RowBuilder,
    Rows,
    find_rests,
    load_or_build_rows,
)
from selva_core.training.stages.encoder import HeldBackPhrasebook

FILES = installed_files(find_model("selva-nano"), default_models_dir())
SEED = 390_003  # a source of the first of its scenes leaves


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def builder() -> RowBuilder:
    return RowBuilder(load_network(NANO_SPEC, FILES), FILES, HeldBackPhrasebook())


@pytest.fixture(scope="module")
def rows(builder: RowBuilder) -> Rows:
    return builder.build(SEED, 2)


def test_every_row_is_silent_where_its_source_is_not_heard_and_names_the_row_of_its_sound(rows: Rows) -> None:
    assert {"present", "leaving", "absent"} <= set(rows.groups)
    for index, group in enumerate(rows.groups):
        if group in {"absent", "strange", "still"}:
            assert rows.own[index] == NO_ROW
            assert rows.is_silent[index].all()
        else:
            own = rows.own[index]
            assert rows.groups[own] == "present"
            assert rows.prompts[own] == rows.prompts[index]
            assert np.abs(rows.latents[own]).max() > 0.0
            assert not (rows.is_silent[own] & ~rows.is_silent[index]).any()
    leaving = rows.of_group("leaving")
    assert all(rows.is_silent[row].sum() > rows.is_silent[rows.own[row]].sum() for row in leaving)


def test_the_silence_that_is_taught_is_silent(builder: RowBuilder, rows: Rows) -> None:
    network = load_network(NANO_SPEC, FILES)
    with torch.inference_mode():
        latents = torch.from_numpy(rows.silence).expand(1, ALL_SILENT.size, -1)
        wave = network.vocoder(network.vae.decode(network.generator.unnormalize(latents)))[0]
    assert measures.is_silent(np.asarray(wave))


def test_silent_rows_have_about_a_fifth_of_a_batch(rows: Rows) -> None:
    assert 0.15 <= sum(SHARES[group] for group in ("absent", "strange", "still")) <= 0.2
    drawn = [draw_batch(rows, np.random.default_rng(seed)) for seed in range(40)]
    is_silent = torch.cat([batch.is_silent.all(dim=1) for batch in drawn])
    assert 0.08 < float(is_silent.float().mean()) < 0.4


def test_an_excerpt_is_cut_at_the_same_segments_from_everything(rows: Rows) -> None:
    for seed in range(6):
        batch = draw_batch(rows, np.random.default_rng(seed))
        size, num_latents = batch.is_silent.shape
        assert batch.latents.shape[:2] == (size, num_latents)
        assert batch.features.shape == batch.own_features.shape
        assert batch.features.shape[1] * 10 == num_latents * NANO_SPEC.generator.num_sync_per_segment
        assert len(batch.prompts) == size


def test_training_makes_absent_things_quieter_and_hardly_changes_the_others(
    builder: RowBuilder, rows: Rows
) -> None:
    network = load_network(NANO_SPEC, FILES)
    generator = load_trainable_generator(FILES["generator"])
    optimiser = torch.optim.AdamW(generator.parameters(), lr=3e-4)
    batch = _shorten(draw_batch(rows, np.random.default_rng(0)))
    text, silence = builder.text(batch.prompts), torch.from_numpy(rows.silence)
    silent = []
    for _ in range(3):
        torch.manual_seed(1)
        loss, numbers = compute_absence_losses(
            generator, network.generator, batch, text=text, silence=silence, rng=np.random.default_rng(1)
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        silent.append(numbers["silent"])
    assert silent[-1] < 0.95 * silent[0]
    assert numbers["sounding"] < 0.1


def _shorten(batch: Batch) -> Batch:
    """Four segments of four rows, the last of them without conditions."""
    dropped = np.zeros((2, 4), bool)
    dropped[:, 3] = True
    return replace(
        batch,
        features=batch.features[:4, :16],
        own_features=batch.own_features[:4, :16],
        latents=batch.latents[:4, :40],
        is_silent=batch.is_silent[:4, :40],
        prompts=batch.prompts[:4],
        dropped=dropped,
    )


def test_a_source_rests_where_its_dry_sound_is_silent_and_nowhere_else() -> None:
    sound = np.zeros(128_000, np.float32)
    assert find_rests(sound).all()
    sound[48_000:64_000] = np.sin(np.arange(16_000) * 0.3)  # from 3 to 4 s
    rests = find_rests(sound)
    times_s = (np.arange(250) + 0.5) / 31.25
    assert not rests[(times_s > 2.9) & (times_s < 4.1)].any()
    assert rests[(times_s < 2.8) | (times_s > 4.2)].all()


def test_a_source_that_leaves_is_in_the_picture_only_while_it_is_there() -> None:
    scene = build_scene(SEED, duration_s=8.0)
    frames = scene.draw(48)
    departure = draw_departure(scene, np.random.default_rng(3), frames)
    is_changed = (departure.frames != frames).any(axis=(1, 2, 3))
    assert departure.is_away.any()
    assert not is_changed[~departure.is_away].any()
    assert is_changed[departure.is_away].mean() > 0.9


def test_strange_pictures_differ_from_each_other_and_have_detail_only_where_it_is_wanted() -> None:
    pictures = [
        draw_strange_picture(np.random.default_rng(seed), num_frames=10, size_px=48) for seed in range(8)
    ]
    assert {picture.shape for picture in pictures} == {(10, 48, 48, 3)}
    assert len({picture.tobytes() for picture in pictures}) == 8
    assert NUM_PLAIN_KINDS == 4


def test_rows_are_built_once(builder: RowBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_or_build_rows(builder, tmp_path / "rows", SEED, 1)
    monkeypatch.setattr(builder, "build", lambda *_: pytest.fail("built again"))
    again = load_or_build_rows(builder, tmp_path / "rows", SEED, 1)
    assert again.prompts == first.prompts
    assert np.array_equal(again.features, first.features)
