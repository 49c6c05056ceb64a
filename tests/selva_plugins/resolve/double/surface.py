"""What may be called on which object, in which version.

Names, argument counts and constants come from the package fusionscript-stubs (Blackmagic's scripting
README of 21.0); what came later or is missing there is in `ADDED_LATER`, and what was not there yet in an
older version in `SINCE`. A name that no version knows is a mistake in our code, and the double says so.
"""

from __future__ import annotations

import ast
import importlib.metadata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

Version = tuple[int, int, int]


@dataclass(frozen=True)
class Arity:
    """How many positional arguments a call takes; `most` is None where it takes any number."""

    least: int
    most: int | None

    def allows(self, count: int) -> bool:
        return self.least <= count and (self.most is None or count <= self.most)


@dataclass(frozen=True)
class Surface:
    """All calls of all objects, and the constants of `resolve`."""

    methods: dict[str, dict[str, tuple[Arity, ...]]]
    constants: dict[str, float]

    def knows(self, kind: str, name: str) -> bool:
        return name in self.methods.get(kind, {}) or (kind == "Resolve" and name in self.constants)


# Arguments that the README calls optional and the stubs do not.
_OPTIONAL_TAIL = {
    ("TimelineItem", "GetStart"): 0,
    ("TimelineItem", "GetEnd"): 0,
    ("TimelineItem", "GetDuration"): 0,
    ("TimelineItem", "GetLeftOffset"): 0,
    ("TimelineItem", "GetRightOffset"): 0,
    ("Timeline", "AddTrack"): 1,
    ("Timeline", "DeleteClips"): 1,
    ("Timeline", "GetSetting"): 0,
    ("Project", "GetSetting"): 0,
    ("MediaPoolItem", "GetClipProperty"): 0,
}

ADDED_LATER: dict[tuple[str, str], tuple[Version, Arity]] = {
    ("Timeline", "GetSelectedClips"): ((21, 0, 4), Arity(0, 0)),
    ("MediaPoolItem", "GetTimeline"): ((21, 0, 4), Arity(0, 0)),
    ("Resolve", "IsStudio"): ((21, 1, 0), Arity(0, 0)),
    ("Resolve", "GetCurrentProject"): ((21, 1, 0), Arity(0, 0)),
    ("Resolve", "GetCurrentTimeline"): ((21, 1, 0), Arity(0, 0)),
    ("Resolve", "GetMediaPool"): ((21, 1, 0), Arity(0, 0)),
    ("Project", "GetSettings"): ((21, 1, 0), Arity(0, 0)),
    ("Timeline", "GetSettings"): ((21, 1, 0), Arity(0, 0)),
    ("TimelineItem", "GetType"): ((21, 1, 0), Arity(0, 0)),
    ("TimelineItem", "GetSpeed"): ((21, 1, 0), Arity(0, 0)),
    ("TimelineItem", "GetFades"): ((21, 1, 0), Arity(0, 0)),
    ("TimelineItem", "SetFades"): ((21, 1, 0), Arity(1, 1)),
    ("TimelineItem", "GetProperties"): ((21, 1, 0), Arity(0, 0)),
    ("TimelineItem", "SetProperties"): ((21, 1, 0), Arity(1, 1)),
}

SINCE: dict[tuple[str, str], Version] = {
    ("Timeline", "AddTrack"): (18, 5, 0),
    ("Timeline", "DeleteTrack"): (18, 5, 0),
    ("Timeline", "SetTrackEnable"): (18, 5, 0),
    ("Timeline", "GetIsTrackEnabled"): (18, 5, 0),
    ("Timeline", "SetTrackLock"): (18, 5, 0),
    ("Timeline", "GetIsTrackLocked"): (18, 5, 0),
    ("Timeline", "DeleteClips"): (18, 5, 0),
    ("Timeline", "SetClipsLinked"): (18, 5, 0),
    ("MediaPoolItem", "GetAudioMapping"): (19, 0, 0),
    ("TimelineItem", "GetLinkedItems"): (19, 0, 0),
    ("TimelineItem", "GetTrackTypeAndIndex"): (19, 0, 0),
    ("Timeline", "GetTrackSubType"): (19, 0, 1),
    ("TimelineItem", "GetSourceAudioChannelMapping"): (19, 0, 1),
    ("TimelineItem", "GetSourceStartFrame"): (19, 0, 2),
    ("TimelineItem", "GetSourceEndFrame"): (19, 0, 2),
    ("TimelineItem", "GetSourceStartTime"): (19, 0, 2),
    ("TimelineItem", "GetSourceEndTime"): (19, 0, 2),
    ("MediaPool", "GetSelectedClips"): (19, 0, 2),
    ("MediaPoolItem", "SetThirdPartyMetadata"): (19, 0, 2),
    ("MediaPoolItem", "GetThirdPartyMetadata"): (19, 0, 2),
    ("Timeline", "GetMarkInOut"): (19, 1, 0),
    ("Timeline", "SetMarkInOut"): (19, 1, 0),
    ("Timeline", "ClearMarkInOut"): (19, 1, 0),
    ("Timeline", "GetMediaPoolItem"): (19, 1, 0),
    ("MediaPoolItem", "GetMarkInOut"): (19, 1, 0),
    ("TimelineItem", "SetName"): (20, 2, 0),
    ("MediaPoolItem", "SetName"): (20, 2, 0),
    **{key: since for key, (since, _) in ADDED_LATER.items()},
}


def exists_in(kind: str, name: str, version: Version) -> bool:
    """Whether this version of Resolve has the call."""
    return version >= SINCE.get((kind, name), (0, 0, 0))


@lru_cache(maxsize=1)
def load_surface() -> Surface:
    """Read the stubs; skips the test, with a sentence, where the package is not installed."""
    tree = ast.parse(_stub_path().read_text(encoding="utf-8"))
    methods: dict[str, dict[str, tuple[Arity, ...]]] = {}
    constants: list[str] = []
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        calls = methods.setdefault(node.name, {})
        for member in node.body:
            if isinstance(member, ast.FunctionDef):
                arity = _arity(node.name, member)
                calls[member.name] = (*calls.get(member.name, ()), arity)
            elif node.name == "Resolve" and isinstance(member, ast.AnnAssign | ast.Assign):
                target = member.target if isinstance(member, ast.AnnAssign) else member.targets[0]
                constants.append(ast.unparse(target))
    for (kind, name), (_, arity) in ADDED_LATER.items():
        methods[kind].setdefault(name, (arity,))
    values = {name: float(index) for index, name in enumerate(sorted(set(constants)), start=1)}
    values["EXPORT_NONE"] = 0.0
    return Surface(methods=methods, constants=values)


def _stub_path() -> Path:
    try:
        files = importlib.metadata.files("fusionscript-stubs") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("needs the package fusionscript-stubs: pip install fusionscript-stubs==21.0.0")
    return next(Path(str(file.locate())) for file in files if file.name == "fusionscript.pyi")


def _arity(kind: str, function: ast.FunctionDef) -> Arity:
    arguments = function.args.args[1:]
    required = len(arguments) - len(function.args.defaults)
    while required and "Optional" in ast.unparse(arguments[required - 1].annotation or ast.Constant("")):
        required -= 1
    required = min(required, _OPTIONAL_TAIL.get((kind, function.name), required))
    return Arity(required, None if function.args.vararg else len(arguments))
