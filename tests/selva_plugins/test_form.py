"""The form of every host: what users type, as values and as render options."""

from __future__ import annotations

from fractions import Fraction

import pytest

from selva_core.base.limits import DEFAULT_SEED
from selva_core.base.render_options import RenderOptions
from selva_otio import StemTrack
from selva_plugins.errors import FormError
from selva_plugins.form import HostForm, build_render_options, parse_form, parse_sound
from selva_render.options import choose_model


@pytest.mark.parametrize(
    ("text", "track", "prompt", "negative"),
    [
        ("Dog: small dog barking", "Dog", "small dog barking", ""),
        ("  Steps  :boots, on wet gravel: slow ", "Steps", "boots, on wet gravel: slow", ""),
        ("Dog=small dog barking", "Dog", "small dog barking", ""),
        ("\u72ac\uff1a\u5c0f\u3055\u306a\u72ac", "\u72ac", "\u5c0f\u3055\u306a\u72ac", ""),
        ("Dog: bark | not: music, speech", "Dog", "bark", "music, speech"),
        ("Dog: bark | NOT wind", "Dog", "bark", "wind"),
        ("Dog: 100% \"loud\" 'bark' \\ `x`", "Dog", "100% \"loud\" 'bark' \\ `x`", ""),
    ],
)
def test_line_names_a_track_and_a_prompt(text: str, track: str, prompt: str, negative: str) -> None:
    assert parse_sound(text) == StemTrack(name=track, prompt=prompt, negative_prompt=negative)


@pytest.mark.parametrize(
    "text", ["", "Dog", "Dog:", ": bark", "Dog: | not: x", "Dog: bark | maybe", "D\x00g: x"]
)
def test_line_that_names_neither_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(FormError):
        parse_sound(text)


def test_negative_prompt_of_the_form_is_for_lines_without_one() -> None:
    form = parse_form({"sounds": ["Dog: bark", "Bell: ring | not: birds"], "avoid": "music"})
    assert [sound.negative_prompt for sound in form.sounds] == ["music", "birds"]


def test_empty_fields_mean_the_defaults() -> None:
    form = parse_form({"sounds": ["", "  "], "takes": "", "seed": " ", "handles_s": "", "model": ""})
    assert form == HostForm()
    assert (form.num_takes, form.seed, form.handles_s, form.model) == (1, None, Fraction(0), None)


def test_form_is_turned_into_render_options() -> None:
    form = parse_form({"takes": "3", "seed": "7", "model": "selva-echo"})
    options = build_render_options(form, sample_rate_hz=44_100)
    assert options == RenderOptions(model="selva-echo", num_takes=3, seed=7, sample_rate_hz=44_100)


def test_empty_form_means_the_default_seed_and_an_installed_model() -> None:
    options = build_render_options(HostForm(), sample_rate_hz=48_000)
    assert (options.seed, options.model) == (DEFAULT_SEED, choose_model(None))


def test_unknown_model_is_a_fault_of_the_form() -> None:
    with pytest.raises(FormError, match="selva-huge"):
        build_render_options(HostForm(model="selva-huge"), sample_rate_hz=48_000)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0,5", Fraction(1, 2)), ("1.25", Fraction(5, 4)), ("10", Fraction(10))]
)
def test_handles_are_seconds_with_comma_or_point(text: str, seconds: Fraction) -> None:
    assert parse_form({"handles_s": text}).handles_s == seconds


@pytest.mark.parametrize(
    "fields",
    [
        {"takes": "0"},
        {"takes": "17"},
        {"takes": "two"},
        {"takes": "\u0663"},
        {"seed": "-1"},
        {"seed": "9223372036854775808"},
        {"handles_s": "11"},
        {"handles_s": "-1"},
        {"handles_s": "1e3"},
        {"sounds": "Dog: bark"},
        {"sounds": [1]},
        {"sounds": ["Dog: bark", "dog: another"]},
        {"sounds": ["Dog: " + "x" * 3000]},
        {"takes": 3},
    ],
)
def test_value_that_is_not_allowed_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(FormError):
        parse_form(fields)


@pytest.mark.parametrize("fields", [{"takes": "16"}, {"seed": "9223372036854775807"}, {"handles_s": "10"}])
def test_value_at_its_limit_is_taken(fields: dict[str, object]) -> None:
    parse_form(fields)
