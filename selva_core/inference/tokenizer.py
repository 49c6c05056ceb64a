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
    """t5_ids: pieces and an end. clip_ids: a beginning, pieces and an end, padded with 0 to the tower's length.

    num_read, num_pieces: how many pieces CLIP's tower takes in, of how many.
    """

    t5_ids: tuple[int, ...]
    clip_ids: tuple[int, ...]
    num_read: int
    num_pieces: int


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """A vocabulary: text to pieces without marks, and the ids of the marks around them."""

    encode: Callable[[str], list[int]]
    begin_id: int
    end_id: int


class PromptTokenizer:
    """The two vocabularies of a model; they may be the same."""

    def __init__(self, spec: ModelSpec, *, t5: Pieces, clip: Pieces) -> None:
        self._spec = spec
        self._t5 = t5
        self._clip = clip

    def tokenize(self, prompt: str) -> TokenizedPrompt:
        """Cut what is too long, keep the marks; pad CLIP's ids with 0, as the generators were trained."""
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
    """Read the vocabularies of a model from its files by role: `t5_tokenizer` and `clip_tokenizer`, or `tokenizer`.

    Raises WeightsMismatchError.
    """
    t5_path = files.get("t5_tokenizer") or files["tokenizer"]
    clip_path = files.get("clip_tokenizer") or files["tokenizer"]
    return PromptTokenizer(spec, t5=read_pieces(t5_path), clip=read_pieces(clip_path))


def read_pieces(path: Path) -> Pieces:
    """Read a tokenizer.json of the tokenizers library.

    Raises WeightsMismatchError when the file is none, or has no marks for the end of a text.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as exc:  # the library raises bare Exception
        raise WeightsMismatchError(f"{path} is no tokenizer: {exc}", path=str(path)) from exc

    def find(pieces: tuple[str, ...]) -> int | None:
        return next((i for i in map(tokenizer.token_to_id, pieces) if i is not None), None)

    end_id = find(_END_PIECES)
    if end_id is None:
        raise WeightsMismatchError(f"{path} has none of the marks {', '.join(_END_PIECES)}", path=str(path))
    begin_id = find(_BEGIN_PIECES)
    return Pieces(
        encode=lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids),
        begin_id=end_id if begin_id is None else begin_id,
        end_id=end_id,
    )
