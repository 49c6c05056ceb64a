"""From a prompt to the token ids that the two text towers read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from selva_core.base.errors import WeightsMismatchError
from selva_core.models.specs import ModelSpec

PAD_ID = 0
_BEGIN_PIECES = ("<|startoftext|>", "<s>")
_END_PIECES = ("<|endoftext|>", "</s>")


@dataclass(frozen=True, kw_only=True)
class TokenizedPrompt:
    """A prompt as token ids.

    t5_ids: text tokens and an end token. clip_ids: a start token, text tokens and an end token, padded with 0 to the length
    of CLIP's text tower. num_read, num_pieces: how many text tokens CLIP's tower reads, of how many.
    """

    t5_ids: tuple[int, ...]
    clip_ids: tuple[int, ...]
    num_read: int
    num_pieces: int


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """A vocabulary: `encode` gives the ids of a text without special tokens; begin_id and end_id are the special tokens."""

    encode: Callable[[str], list[int]]
    begin_id: int
    end_id: int


class PromptTokenizer:
    """Tokenizes prompts with the two vocabularies of a model, which may be the same one."""

    def __init__(self, spec: ModelSpec, *, t5: Vocabulary, clip: Vocabulary) -> None:
        self._spec = spec
        self._t5 = t5
        self._clip = clip

    def tokenize(self, prompt: str) -> TokenizedPrompt:
        """Truncates text but not special tokens; pads CLIP's ids with 0, as in the training of the generators."""
        num_clip = self._spec.clip_text.num_tokens
        t5_pieces, clip_pieces = self._t5.encode(prompt), self._clip.encode(prompt)
        read = clip_pieces[: num_clip - 2]
        clip_ids = [self._clip.begin_id, *read, self._clip.end_id]
        return TokenizedPrompt(
            t5_ids=(*t5_pieces[: self._spec.t5.max_tokens - 1], self._t5.end_id),
            clip_ids=(*clip_ids, *[PAD_ID] * (num_clip - len(clip_ids))),
            num_read=len(read),
            num_pieces=len(clip_pieces),
        )


def load_tokenizer(spec: ModelSpec, files: Mapping[str, Path]) -> PromptTokenizer:
    """Read the vocabularies of a model from its files: roles `t5_tokenizer` and `clip_tokenizer`, or `tokenizer` for both.

    Raises WeightsMismatchError.
    """
    t5_path = files.get("t5_tokenizer") or files["tokenizer"]
    clip_path = files.get("clip_tokenizer") or files["tokenizer"]
    return PromptTokenizer(spec, t5=load_vocabulary(t5_path), clip=load_vocabulary(clip_path))


def load_vocabulary(path: Path) -> Vocabulary:
    """Read a tokenizer.json of the tokenizers library.

    Raises WeightsMismatchError when it is no such file, or has no end token.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as exc:  # the library raises bare Exception
        raise WeightsMismatchError(f"{path} is no tokenizer: {exc}", path=str(path)) from exc

    def find(pieces: tuple[str, ...]) -> int | None:
        return next((i for i in map(tokenizer.token_to_id, pieces) if i is not None), None)

    end_id = find(_END_PIECES)
    if end_id is None:
        raise WeightsMismatchError(
            f"{path} has none of the end tokens {', '.join(_END_PIECES)}", path=str(path)
        )
    begin_id = find(_BEGIN_PIECES)
    return Vocabulary(
        encode=lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids),
        begin_id=end_id if begin_id is None else begin_id,
        end_id=end_id,
    )
