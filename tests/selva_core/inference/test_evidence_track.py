"""Evidence over time, from the attention of the segments."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import Tensor

from selva_core.base.evidence import SEEN
from selva_core.inference.evidence_track import EvidenceTrack, whole_presence
from selva_core.inference.presence import NUM_HIDDEN, PresenceModel, follow_presence
from selva_core.models.nano_spec import NANO_SPEC
from selva_core.models.part_specs import VideoEncoderSpec

NANO = NANO_SPEC.video_encoder  # 4 x 4 places, segments of 4 tubelets that do not overlap
PUBLISHED = VideoEncoderSpec()  # 14 x 14 places, segments of 8 tubelets that overlap by half


def attention_at(places: list[int], spec: VideoEncoderSpec) -> Tensor:
    """(len(places), H, P): all of it at one place per time."""
    attention = torch.zeros(len(places), spec.num_heads, spec.num_patches)
    for time, place in enumerate(places):
        attention[time, :, place] = 1.0
    return attention


def sync_of(num_times: int, spec: VideoEncoderSpec) -> Tensor:
    return torch.zeros(num_times, spec.width)


def test_centre_is_where_the_attention_is() -> None:
    track = EvidenceTrack(NANO, None)
    track.add(sync_of(4, NANO), attention_at([0, 3, 12, 15], NANO))
    evidence = track.build(Fraction(8, 25), threshold=None)
    assert evidence.rate_hz == Fraction(25, 2)
    assert evidence.x == pytest.approx([0.125, 0.875, 0.125, 0.875])
    assert evidence.y == pytest.approx([0.125, 0.125, 0.875, 0.875])
    assert evidence.spread == pytest.approx([0.0] * 4, abs=1e-3)
    assert [evidence.heat.index(255, 16 * step) - 16 * step for step in range(4)] == [0, 3, 12, 15]


def test_without_a_fitted_model_presence_is_how_narrow_the_attention_is() -> None:
    track = EvidenceTrack(NANO, None)
    even = torch.full((4, NANO.num_heads, NANO.num_patches), 1 / NANO.num_patches)
    track.add(sync_of(4, NANO), even)
    track.add(sync_of(4, NANO), attention_at([5] * 4, NANO))
    evidence = track.build(Fraction(16, 25), threshold=0.5)
    assert evidence.presence[0] == pytest.approx(0.0, abs=1e-3)
    assert evidence.presence[-1] == pytest.approx(1.0, abs=1e-3)
    assert evidence.threshold is None
    assert evidence.spread[0] == pytest.approx(0.395, abs=0.01)


def test_segments_that_overlap_are_averaged_over_time() -> None:
    track = EvidenceTrack(PUBLISHED, None)
    left, right = 14 * 7, 14 * 7 + 13
    track.add(sync_of(16, PUBLISHED), attention_at([left] * 8 + [right] * 8, PUBLISHED))
    evidence = track.build(Fraction(24, 25), threshold=None)
    assert len(evidence.x) == 12
    assert evidence.x[:4] == pytest.approx([0.5 / 14] * 4)
    assert evidence.x[4:8] == pytest.approx([0.5] * 4)
    assert evidence.x[8:] == pytest.approx([13.5 / 14] * 4)
    assert len(evidence.heat) == 12 * 196


@pytest.mark.parametrize(("duration_s", "num_steps"), [(Fraction(1, 25), 1), (Fraction(9, 10), 12)])
def test_a_clip_that_no_segment_ends_with_has_a_value_per_step_all_the_same(
    duration_s: Fraction, num_steps: int
) -> None:
    track = EvidenceTrack(NANO, None)
    track.add(sync_of(4, NANO), attention_at([0, 0, 0, 3], NANO))
    track.add(sync_of(4, NANO), attention_at([3, 3, 3, 3], NANO))
    evidence = track.build(duration_s, threshold=None)
    assert len(evidence.presence) == num_steps
    assert evidence.x[-1] == pytest.approx(0.125 if num_steps == 1 else 0.875)


def test_chunks_give_what_the_whole_gives() -> None:
    torch.manual_seed(2)
    attention = torch.rand(40, PUBLISHED.num_heads, PUBLISHED.num_patches).softmax(dim=-1)
    whole, pieces = EvidenceTrack(PUBLISHED, None), EvidenceTrack(PUBLISHED, None)
    whole.add(sync_of(40, PUBLISHED), attention)
    for piece in (attention[:16], attention[16:]):
        pieces.add(sync_of(len(piece), PUBLISHED), piece)
    assert whole.build(Fraction(2), threshold=None) == pieces.build(Fraction(2), threshold=None)


def test_a_fitted_model_decides_by_the_features() -> None:
    num_features = NANO.width + NANO.num_heads + 1
    first_only = torch.zeros(NUM_HIDDEN, num_features)
    first_only[0, 0] = 1.0
    score = torch.zeros(NUM_HIDDEN)
    score[0] = 10.0
    model = PresenceModel(
        hidden_weight=first_only,
        hidden_bias=torch.zeros(NUM_HIDDEN),
        score_weight=score,
        score_bias=torch.tensor(-5.0),
    )
    track = EvidenceTrack(NANO, model)
    sync = sync_of(8, NANO)
    sync[4:, 0] = 2.0
    track.add(sync, attention_at([1] * 8, NANO))
    evidence = track.build(Fraction(16, 25), threshold=0.5)
    assert evidence.presence[0] < 0.1
    assert evidence.presence[-1] > 0.9
    assert evidence.threshold == 0.5


def seen_steps(*values: float) -> list[bool]:
    return [value >= SEEN for value in follow_presence(values)]


def test_a_thing_that_leaves_and_comes_back_is_followed_to_the_step() -> None:
    there, away = [0.97] * 22, [0.03] * 30
    assert seen_steps(*there, *away, *there) == [True] * 22 + [False] * 30 + [True] * 22


def test_a_moment_in_which_a_thing_is_missed_or_taken_for_another_does_not_count() -> None:
    missed = [0.97] * 20 + [0.2] * 4 + [0.97] * 20
    assert all(seen_steps(*missed))
    imagined = [0.03] * 20 + [0.9] * 4 + [0.03] * 20
    assert not any(seen_steps(*imagined))


def test_presence_that_is_certain_or_undecided_stays_between_0_and_1() -> None:
    assert follow_presence([0.5]) == [0.5]
    certain = follow_presence([0.0] * 3000 + [1.0] * 3000)
    assert certain[0] < 0.01
    assert certain[-1] > 0.99
    assert all(0.0 < each < 1.0 for each in certain)


def test_presence_of_the_whole_clip_is_that_of_its_best_second() -> None:
    assert whole_presence([0.0] * 80 + [1.0] * 12, steps_per_s=12.5) == pytest.approx(1.0)
    assert whole_presence([0.0] * 80 + [1.0] * 6, steps_per_s=12.5) == pytest.approx(0.5)
    assert whole_presence([0.25], steps_per_s=12.5) == 0.25
