"""What the user typed into a host's form, as values: "Dog: small dog barking", how many takes, which seed.

The notation is the same in every host, in dialogs, in the names of regions and in markers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from selva_core.base.errors import UnknownModelError
from selva_core.base.limits import DEFAULT_SEED, MAX_SEED
from selva_core.base.render_options import PanOptions, RenderOptions, SamplingOptions
from selva_core.base.settings import load_settings
from selva_otio import StemTrack
from selva_otio.cues.cue_sheet import check_stem_tracks
from selva_otio.errors import CueError
from selva_plugins.errors import FormError
from selva_render.options import choose_model

# Fewer than the protocol allows (limits.MAX_TAKES): in a host every take is an item or a track to look through.
MAX_FORM_TAKES = 16
MAX_HANDLES_S = 10

# A colon as typed on a Western or a Japanese keyboard (U+FF1A), or the equals sign of the command line.
_COLON = "[:\uff1a=]"
_SOUND = re.compile(
    rf"\s*(?P<track>[^:\uFF1A=|]+?)\s*{_COLON}\s*(?P<prompt>[^|]*?)\s*"
    rf"(?:\|\s*not\s*{_COLON}?\s*(?P<negative>.*?)\s*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class HostForm:
    """The fields of a form. None where the user left one empty: the default of the model or of the action then counts.

    negative_prompt: for every sound that has none of its own. prompt: replaces the prompt of stems that are there.
    """

    sounds: tuple[StemTrack, ...] = ()
    num_takes: int = 1
    seed: int | None = None
    handles_s: Fraction = Fraction(0)
    model: str | None = None
    negative_prompt: str = ""
    prompt: str | None = None


def parse_form(values: Mapping[str, object]) -> HostForm:
    """HostForm from a dialog's fields, each the text that was typed; missing fields are empty ones.

    Fields: sounds (a list of lines), avoid, takes, seed, handles_s, model, prompt. Raises FormError.
    """
    negative_prompt = _text(values, "avoid")
    lines = values.get("sounds", [])
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise FormError(f"sounds are a list of lines; got {lines!r:.80}")
    return HostForm(
        sounds=_parse_sounds([line for line in lines if line.strip()], negative_prompt),
        num_takes=_parse_whole("takes", _text(values, "takes") or "1", minimum=1, maximum=MAX_FORM_TAKES),
        seed=_parse_optional_seed(_text(values, "seed")),
        handles_s=_parse_handles(_text(values, "handles_s") or "0"),
        model=_text(values, "model") or None,
        negative_prompt=negative_prompt,
        prompt=_text(values, "prompt") or None,
    )


def parse_sound(text: str, *, negative_prompt: str = "") -> StemTrack:
    """A stem track from "Dog: small dog barking" or "Dog: small dog barking | not: music". Raises FormError."""
    match = _SOUND.fullmatch(text)
    if match is None or not match["prompt"]:
        raise FormError(
            f'a sound reads "Track: prompt", for instance "Dog: small dog barking"; got {text!r:.120}'
        )
    try:
        return StemTrack(
            name=match["track"], prompt=match["prompt"], negative_prompt=match["negative"] or negative_prompt
        )
    except CueError as error:
        raise FormError(error.message) from error


def _parse_sounds(lines: Sequence[str], negative_prompt: str) -> tuple[StemTrack, ...]:
    sounds = [parse_sound(line, negative_prompt=negative_prompt) for line in lines]
    if not sounds:
        return ()
    try:
        return check_stem_tracks(sounds)
    except CueError as error:
        raise FormError(error.message) from error


def _text(values: Mapping[str, object], name: str) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        raise FormError(f"{name} is text; got {value!r:.80}")
    return value.strip()


def _parse_whole(name: str, text: str, *, minimum: int, maximum: int) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", text) or not minimum <= int(text) <= maximum:
        raise FormError(f"{name} is a whole number from {minimum} to {maximum}; got {text!r:.60}")
    return int(text)


def _parse_optional_seed(text: str) -> int | None:
    return _parse_whole("seed", text, minimum=0, maximum=MAX_SEED) if text else None


def _parse_handles(text: str) -> Fraction:
    """Seconds, with a decimal point or comma."""
    plain = text.replace(",", ".")
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{0,6})?", plain) or Fraction(plain) > MAX_HANDLES_S:
        raise FormError(f"handles are 0 to {MAX_HANDLES_S} seconds; got {text!r:.60}")
    return Fraction(plain)


def with_prompt(sound: StemTrack, prompt: str) -> StemTrack:
    """The same stem track with another prompt. Raises FormError."""
    try:
        return replace(sound, prompt=prompt)
    except CueError as error:
        raise FormError(error.message) from error


def build_render_options(form: HostForm, *, sample_rate_hz: int) -> RenderOptions:
    """How stems of a filled-in form are made. Raises FormError for an unknown model, RequestError for a seed so high that
    its takes have none.
    """
    settings = load_settings()
    return RenderOptions(
        model=choose_model_for_form(form.model),
        num_takes=form.num_takes,
        seed=DEFAULT_SEED if form.seed is None else form.seed,
        sample_rate_hz=sample_rate_hz,
        sampling=SamplingOptions(separate=settings.separate),
        absent=settings.absent,
        pan=PanOptions(mode=settings.pan, width=settings.pan_width),
    )


def choose_model_for_form(model: str | None) -> str:
    """The model that was typed, or else the largest one installed. Raises FormError for an unknown one."""
    try:
        return choose_model(model)
    except UnknownModelError as error:
        raise FormError(error.message) from error
