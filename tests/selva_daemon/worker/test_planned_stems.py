"""What the stems of a job are made from, and what is written into them."""

from __future__ import annotations

import json

from selva_daemon.worker.model_info import ModelInfo
from selva_daemon.worker.planned_stems import PlannedStem, plan_stems
from tests.support.daemons import JobMaker

MODEL = ModelInfo(model_id="selva-echo", weights_sha256="ab" * 32, licence="", notices=())
PROMPTS = ("rain", "boots on gravel", "small dog barking")


def plan_dog(make_job: JobMaker, *, prompts: tuple[str, ...] = PROMPTS, separate: float = 1.0) -> PlannedStem:
    stems = plan_stems(make_job(prompts=prompts, separate=separate), MODEL)
    return next(stem for stem in stems if stem.cue.prompt == "small dog barking")


def test_a_separated_stem_is_led_away_from_the_other_prompts_of_its_job_and_says_so(
    make_job: JobMaker,
) -> None:
    stem = plan_dog(make_job)
    assert stem.request.siblings == ("boots on gravel", "rain")
    provenance = stem.provenance(MODEL, is_silenced=False)
    assert provenance["separate"] == "1"
    assert json.loads(provenance["separated_from"]) == ["boots on gravel", "rain"]


def test_a_stem_that_is_not_separated_has_no_siblings_and_says_nothing_of_them(make_job: JobMaker) -> None:
    stem = plan_dog(make_job, separate=0.0)
    assert stem.request.siblings == ()
    assert not {"separate", "separated_from"} & set(stem.provenance(MODEL, is_silenced=False))


def test_a_separated_stem_that_is_alone_is_the_stem_that_it_was(make_job: JobMaker) -> None:
    alone = plan_dog(make_job, prompts=("small dog barking",))
    plain = plan_dog(make_job, separate=0.0)
    assert alone.waveform_key == plain.waveform_key
    assert (
        alone.provenance(MODEL, is_silenced=False)["seed"]
        == plain.provenance(MODEL, is_silenced=False)["seed"]
    )
    assert "separate" not in alone.provenance(MODEL, is_silenced=False)


def test_the_order_of_the_other_cues_changes_nothing(make_job: JobMaker) -> None:
    keys = {plan_dog(make_job, prompts=prompts).waveform_key for prompts in (PROMPTS, PROMPTS[::-1])}
    assert len(keys) == 1
    assert plan_dog(make_job, prompts=PROMPTS[1:]).waveform_key not in keys


def test_two_cues_of_one_prompt_are_no_siblings(make_job: JobMaker) -> None:
    twice = plan_dog(make_job, prompts=("small dog barking", "rain", "small dog barking"))
    assert twice.request.siblings == ("rain",)
