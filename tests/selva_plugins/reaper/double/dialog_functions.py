"""Dialogs, which stop everything until the user answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .registry import reascript

if TYPE_CHECKING:
    from .world import World

_MAX_FIELDS = 16
_MAX_ANSWER_BYTES = 1023
_QUOTES = "\"'`"
_OPENING, _CLOSING = "([{", ")]}"


@dataclass(frozen=True, kw_only=True)
class InputDialog:
    """A GetUserInputs dialog as the user sees it: the defaults after REAPER has split them its own way."""

    title: str
    captions: list[str]
    values: list[str]


@reascript("MB")
def message_box(world: World, text: str, title: str, kind: int) -> int:
    world.messages.append(text)
    if kind == 0:
        return 1
    if not world.message_answers:
        world.record_violation(f"MB: no answer was prepared for the question {text!r}")
        return 2
    return world.message_answers.pop(0)


@reascript("ShowConsoleMsg")
def show_console_msg(world: World, text: str) -> None:
    world.console += text


@reascript("GetUserInputs")
def get_user_inputs(
    world: World, title: str, num_inputs: int, captions_csv: str, values_csv: str
) -> tuple[bool, str]:
    captions, separator = [], ","
    for caption in captions_csv.split(","):
        if caption.startswith("separator="):
            separator = caption.removeprefix("separator=")
        elif not caption.startswith("extrawidth="):
            captions.append(caption)
    if not 1 <= num_inputs <= _MAX_FIELDS:
        world.record_violation(f"GetUserInputs: 1 to {_MAX_FIELDS} fields are allowed; got {num_inputs}")
    if len(captions) != num_inputs:
        world.record_violation(f"GetUserInputs: {num_inputs} fields and {len(captions)} captions: {captions}")
    defaults = _split_as_reaper_does(_cut_as_reaper_does(values_csv), separator)
    values = [*defaults, *[""] * num_inputs][:num_inputs]
    dialog = InputDialog(title=title, captions=captions, values=values)
    world.input_dialogs.append(dialog)
    if not world.input_answers:
        world.record_violation(f"GetUserInputs: no answer was prepared for the dialog {title!r}")
        return False, values_csv
    answers = world.input_answers.pop(0)(dialog)
    if answers is None:
        return False, values_csv
    return True, _cut_as_reaper_does(separator.join(answers))


def _cut_as_reaper_does(text: str) -> str:
    """One buffer holds all fields; what is longer is cut off, in the middle of a letter if need be."""
    return text.encode("utf-8", "surrogateescape")[:_MAX_ANSWER_BYTES].decode("utf-8", "surrogateescape")


def _split_as_reaper_does(text: str, separator: str) -> list[str]:
    """Separators inside quotes and brackets do not count, so an opening one without its partner swallows the rest."""
    fields, quote, depth = [""], "", 0
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in _QUOTES:
            quote = char
        elif char in _OPENING:
            depth += 1
        elif char in _CLOSING:
            depth -= 1
        elif char == separator and depth == 0:
            fields.append("")
            continue
        fields[-1] += char
    return fields
