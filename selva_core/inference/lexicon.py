"""The words that a small model met in training, and words that turn a prompt into what is not heard.

The similarity of text states cannot tell unknown words: the pieces of "asdfgh" make it as similar to "dog" as some phrasings of
a dog are. So the words are compared as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from selva_core.base.errors import WeightsMissingError

NEGATIONS = frozenset(
    {
        *("no", "not", "without", "never", "except", "nothing", "none", "nobody", "neither", "nor", "cannot", "lacking", "minus"),
        *("silent", "silently", "silence", "soundless", "noiseless", "inaudible", "quiet", "quietly"),
    }
)  # fmt: skip
_NO_CONTENT = frozenset(
    {
        *("a", "an", "the", "of", "on", "in", "at", "to", "from", "with", "by", "and", "or", "for", "into", "over", "through"),
        *("is", "are", "being", "be", "it", "its", "some", "one", "two", "someone", "somebody", "something", "that", "this"),
        *("sound", "sounds", "noise", "noises", "effect", "recording", "loud", "small", "big", "large", "little", "old", "new"),
    }
)  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_ENDINGS = ("'s", "ings", "ing", "ers", "er", "ed", "es", "s", "e")
MIN_STEM_CHARS = 3


@dataclass(frozen=True)
class Lexicon:
    """stems: of the words, as `stem_of` makes them."""

    stems: frozenset[str]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Lexicon:
        return cls(frozenset(stem_of(word) for text in texts for word in content_terms(text)))

    def strangers(self, prompt: str) -> tuple[str, ...]:
        """The words of a prompt that are not in the lexicon, where these are more than half of those that name something."""
        terms = content_terms(prompt)
        unknown = tuple(word for word in terms if stem_of(word) not in self.stems)
        return unknown if 2 * len(unknown) > len(terms) else ()


def content_terms(prompt: str) -> list[str]:
    """The words of a prompt that name something, in lower case and in its order."""
    return [word for word in _terms(prompt) if word not in _NO_CONTENT and word not in NEGATIONS]


def find_negations(prompt: str) -> tuple[str, ...]:
    """The words of a prompt that say what is not heard."""
    return tuple(word for word in _terms(prompt) if word in NEGATIONS or word.endswith("n't"))


def _terms(prompt: str) -> list[str]:
    return _WORD.findall(prompt.replace("\u2019", "'").lower())


def stem_of(word: str) -> str:
    """A word without its ending, so that "barks", "barked" and "barking" are one."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= MIN_STEM_CHARS:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > MIN_STEM_CHARS and word[-1] == word[-2] else word


def load_lexicon(path: Path) -> Lexicon:
    """Read a file of stems, one a line. Raises WeightsMissingError."""
    try:
        lines = path.read_text(encoding="utf-8").split()
    except OSError as exc:
        raise WeightsMissingError(f"{path} cannot be read: {exc.strerror or exc}", path=str(path)) from exc
    return Lexicon(frozenset(lines))
