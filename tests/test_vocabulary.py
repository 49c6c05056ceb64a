"""Words that were retired stay out of names, files and prose; docs/glossary.md says what is used instead.

Names are read from the syntax trees of all Python files and from the tokens of all Lua files, tests included. Strings are left
alone there, because published names (settings, wire fields, JSON) stay as they are.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("selva_core", "otio_adapters", "daemon", "plugins", "installer", "bench", "tests", "docs")
PAGES = ("README.md", "CONTRIBUTING.md")
LEFT_OUT = ("tests/test_vocabulary.py", "docs/glossary.md", "docs/api/")
"""The words themselves, and pages that repeat docstrings."""

RETIRED_NAMES = {
    # service
    "Desk": "RequestHandlers",
    "Line": "ClientTransport",
    "Wait": "PollRequest",
    "Steps": "ProtocolSteps",
    "Ready": "ReadySockets",
    "Welcome": "HelloReply",
    "Caller": "RequestContext",
    "DoorKeeper": "ZapAuthenticator",
    "Places": "AppPaths",
    "ClientBook": "AuthorizedKeys",
    "Turns": "FairScheduler",
    "Head": "QueueHead",
    "Gathering": "BatchWindow",
    "may_join": "can_batch",
    "jobs_together": "max_batch_jobs",
    "pictures_together": "max_batch_pictures",
    "render_together": "render_batch",
    "Company": "RenderBatch",
    "Rendering": "BatchItem",
    "by_itself": "isolate_errors",
    "RenderOrder": "BatchRequest",
    "Orders": "Commands",
    "Reports": "Events",
    "hear": "on_message",
    "blame_worker_death": "record_worker_crash",
    "put_back": "requeue",
    "set_yielded": "release_device",
    "EngineShelf": "EngineCache",
    "ReadyJob": "PreparedJob",
    "Made": "RenderOutcome",
    "ModelMemory": "ModelInfoCache",
    "MakingChoices": "RenderOptions",
    "LookChoices": "SpotOptions",
    "WantedTimeline": "OutputOptions",
    "ShownCues": "SpotReport",
    # model, picture, sound
    "KeptTokens": "VideoTokenCache",
    "kept_features": "token_cache",
    "PictureTokens": "VideoTokenEncoder",
    "MovingPicture": "FrameSource",
    "small_pictures": "proxies",
    "PictureCopy": "Proxy",
    "stand_in": "dummy_weights, proxy_path",
    "KnownPrompts": "PromptCoverage",
    "long_sound": "sample_buffer",
    "telling_full_memory": "translate_out_of_memory",
    "RenderMeter": "ProgressTracker",
    "StemFlow": "GuidedVelocity",
    "LaidImages": "SequenceFiles",
    "Thing": "SoundSource",
    "things_struck": "impact_sources",
    "things_sustained": "sustained_sources",
    # timelines and hosts
    "Unseen": "SkippedItem",
    "SpokenFor": "CueMatch",
    "RuleBook": "CueRuleIndex",
    "Lane": "StemSubtrack",
    "Piece": "FlatClip",
    "LaidTrack": "FlatTrack",
    "Stretch": "ItemSpan",
    "conforming": "host_variants",
    "restoring": "stem_recovery",
    "whole_files": "atomic_write",
    "ReelShelf": "ReelIndex",
    "final_cut_xml": "fcpxml",
    "fcp7_xml": "fcp_xml",
    "Wishes": "RenderOptions",
    "wishes": "RenderOptions, HostForm",
    "HostRoom": "HostAdapter",
    "Prepared": "PreparedRequest",
    "Letter": "Message",
    "Exchange": "MessageFolder",
    "PrefsMailbox": "PrefsTransport",
    "Placing": "StemPlacer",
    "Held": "PlacementError",
    "Landed": "PlacedItem",
    "dress": "apply_fades_and_gain",
    "give_way": "replace_if_ours",
    "find_lost": "find_missing",
    "bond": "anchor",
    "fault_of_file_stem": "file_stem_error",
    # names that say how a value came about instead of what it is
    "told": "what was reported",
    "facts": "what is known",
    "said": "what was reported",
    "wished": "what was requested",
    "kept": "what is stored",
    "laid": "what was placed",
    "asked": "what was requested",
    "words": "text, terms",
}
"""Retired name, compared with a leading underscore left off: what it became."""

RETIRED_FILES = {
    *(
        "desk",
        "line",
        "places",
        "invitations",
        "company",
        "calls",
        "refusals",
        "kept_features",
        "small_pictures",
    ),
    *(
        "stand_in",
        "known_prompts",
        "long_sound",
        "laid_images",
        "losses",
        "conforming",
        "restoring",
        "whole_files",
        "bond",
    ),
    *(
        "final_cut_xml",
        "fcp7_xml",
        "selva_bundle",
        "bundle",
        "wishes",
        "letters",
        "exchange",
        "follow",
        "together",
        "asking",
    ),
    *("whole_way", "jobs_together", "utils", "helpers", "manager"),
}
"""Retired names of files and folders, also behind `test_`."""

RETIRED_PARTS = {"desk", "wished", "wishes", "laid", "said", "told", "company", "whoever"}
"""Words that no name has as a part."""

RETIRED_PHRASES = {
    "in company": "in a batch with others",
    "whoever": "name who or what it is",
    "of our age": "of this version",
    "by our own hand": "written here",
    "told of": "reported",
    "is told": "is reported, is passed",
    "let go": "released",
    "letters:": "Dimensions:",
    "stand-in": "proxy, dummy weights",
}
"""Phrases of comments, docstrings, messages and pages."""

ALLOWED = {
    # words of a text, counted or compared
    "otio_adapters/selva_otio/cues/markers.py: words",
    "otio_adapters/selva_otio/placement/stem_names.py: words",
    "selva_core/training/phrasings.py: words",
    # a folder to install from is the one bundle of the installer
    "installer/bundle.py: bundle",
    "tests/installer/test_bundle.py: test_bundle",
    # words of a command line, as shells call them
    "selva_core/base/command_line.py: words",
    # the published attribute of errors, which the wire calls `facts` too
    "selva_core/base/errors.py: facts",
    "daemon/selva_cli/terminal/error_reporting.py: facts",
    "daemon/selva_daemon/protocol/errors.py: facts",
    # keys of JSON that agents and scripts of earlier versions write and read
    "plugins/reaper/Selva/lib/actions.lua: wishes",
    "plugins/resolve/agent/actions.lua: kept",
    "plugins/resolve/agent/removal.lua: kept",
    "plugins/selva_plugins/hosts/resolve/scripting/removal.py: kept",
    "daemon/selva_render/json_outputs.py: facts",
    "daemon/selva_render/json_outputs.py: kept",
    # a fixture that tests from elsewhere, which are dropped beside ours, import by this name
    "tests/selva_plugins/reaper/test_end_to_end.py: places",
    # bytes that the cache key of dummy weights is made from
    "selva_core/inference/dummy_weights.py: stand-in",
}
"""Places where a retired word or phrase is the right one."""


@cache
def source_files() -> tuple[Path, ...]:
    found = [ROOT / name for name in PAGES]
    for folder in FOLDERS:
        found += [
            file for file in sorted((ROOT / folder).rglob("*")) if file.suffix in (".py", ".lua", ".md")
        ]
    return tuple(file for file in found if not relative(file).startswith(LEFT_OUT))


def relative(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def python_names(source: str) -> Iterator[str]:
    """What the file itself names: definitions, arguments, variables, attributes that are set, aliases."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname


def lua_names(source: str) -> Iterator[str]:
    """Every name in the code of a Lua file, comments and strings left out."""
    code = re.sub(r"--\[\[.*?\]\]|--[^\n]*", "", source, flags=re.DOTALL)
    yield from re.findall(r"[A-Za-z_]\w*", re.sub(r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", "", code))


def names_in(file: Path) -> set[str]:
    source = file.read_text(encoding="utf-8")
    return set({".py": python_names, ".lua": lua_names}.get(file.suffix, lambda _: iter(()))(source))


def parts_of(name: str) -> set[str]:
    """The words a name is made of: `may`, `join` of `mayJoin`, `may_join` and `MayJoin`."""
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def retired_in(name: str) -> str | None:
    """What is wrong with a name, and what to use; None when nothing is."""
    bare = name.lstrip("_")
    if bare in RETIRED_NAMES:
        return f"{name} (now: {RETIRED_NAMES[bare]})"
    parts = parts_of(name) & RETIRED_PARTS
    return f"{name} ({', '.join(sorted(parts))})" if parts else None


def test_no_name_is_retired() -> None:
    found = [
        f"{relative(file)}: {fault}"
        for file in source_files()
        for name in sorted(names_in(file))
        if (fault := retired_in(name)) and f"{relative(file)}: {name.lstrip('_')}" not in ALLOWED
    ]
    assert found == []


def test_no_file_has_a_retired_name() -> None:
    found = [
        relative(file)
        for file in source_files()
        for part in file.relative_to(ROOT).with_suffix("").parts
        if part.removeprefix("test_").lstrip("_") in RETIRED_FILES
        and f"{relative(file)}: {part}" not in ALLOWED
    ]
    assert found == []


@pytest.mark.parametrize("phrase", RETIRED_PHRASES)
def test_no_text_has_a_retired_phrase(phrase: str) -> None:
    pattern = re.compile(rf"\b{re.escape(phrase)}", re.IGNORECASE)
    found = [
        f"{relative(file)}:{number}"
        for file in source_files()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line) and f"{relative(file)}: {phrase}" not in ALLOWED
    ]
    assert found == [], f"say instead: {RETIRED_PHRASES[phrase]}"


def test_a_retired_word_would_be_seen() -> None:
    """The twin of the tests above: names that were retired are found, names of today are not."""
    assert retired_in("_Desk")
    assert retired_in("list_wishes")
    assert set(python_names("class Desk:\n    def f(self, told): self.said = 1")) == {
        "Desk",
        "f",
        "self",
        "told",
        "said",
    }
    assert set(lua_names("local wishes = 'kept' -- laid")) == {"local", "wishes"}
    assert retired_in("deskew") is None
    assert retired_in("RequestHandlers") is None
    assert len(source_files()) > 500
