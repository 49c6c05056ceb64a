"""Every command that a page prints is one: its options exist, its files are there, its values are allowed.

Those of `selva` are read by the real command line. Of other programs only what is ours is looked at; what cannot be looked at is
named in `OTHER_PROGRAMS`. `test_first_stems.py` runs the commands of the pages to begin with.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from functools import cache
from itertools import dropwhile
from pathlib import PurePosixPath
from typing import Any

import pytest
import typer

from selva_cli.app import app
from tests.docs.pages import ROOT, all_pages

OTHER_PROGRAMS = {
    "cd": "of the shell",
    "git": "the address of the repository is the reader's",
    "uv": "fetches packages",
    "pipx": "installs for the person who runs it",
    "pip": "fetches packages",
    "npm": "fetches packages; tests of the page build it",
    "pre-commit": "fetches hooks",
    "zensical": "is in an environment of its own; the workflow runs it",
    "otioconvert": "of OpenTimelineIO; the tests of the adapters write and read the same files through it",
    "reaper": "only where REAPER is installed",
}
"""Programs whose commands are not looked at, and why."""
UNFINISHED = {"NAME", "FILE.NAME", "cut.NAME", "FOLDER", "tests/selva_plugins/NAME"}
"""In the pages on how to add something: what the reader puts a name of their own for."""

PAGES = {page.name: page for page in all_pages()}


@cache
def command_line() -> Any:
    return typer.main.get_command(app)


def find_fault(arguments: Sequence[str]) -> str | None:
    """What is wrong with a whole command, or None."""
    program, *rest = dropwhile(lambda part: re.fullmatch(r"[A-Z_]+=\S*", part), arguments)
    program = PurePosixPath(program).name
    if program == "selva":
        return find_fault_of_selva(rest)
    if program in ("python", "python3", "py"):
        return find_fault_of_python(rest)
    return None if program in OTHER_PROGRAMS else f"{program} is neither ours nor named in OTHER_PROGRAMS"


def find_fault_of_selva(arguments: Sequence[str]) -> str | None:
    """Have the command line read the arguments, without running the command."""
    if UNFINISHED & set(arguments) or list(arguments) == ["--help"]:
        return None
    command, rest, name = command_line(), list(arguments), "selva"
    while hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            return f"{name} has no command {rest[:1]}"
        name, command = f"{name} {rest[0]}", command.commands[rest[0]]
        rest = rest[1:]
    try:
        command.make_context(name, rest)
    except Exception as error:  # of typer's copy of click, which exports no class
        return str(getattr(error, "message", error))
    return None


def find_fault_of_named(arguments: Sequence[str]) -> str | None:
    """Of a command in prose, which may lack arguments: its command and its options exist."""
    if arguments[0] != "selva":
        return find_fault(arguments)
    command, rest = command_line(), list(arguments[1:])
    while rest and hasattr(command, "commands") and rest[0] in command.commands:
        command, rest = command.commands[rest[0]], rest[1:]
    if rest and hasattr(command, "commands") and not rest[0].isupper() and not rest[0].startswith("-"):
        return f"there is no command {rest[0]}"
    options = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    options |= {"--help", "-h", "--quiet", "-q", "--verbose", "-v", "--version"}
    unknown = [part for part in rest if part.startswith("-") and part.partition("=")[0] not in options]
    return f"unknown options {unknown}" if unknown else None


def find_fault_of_python(arguments: Sequence[str]) -> str | None:
    """The script, module and files exist, and the options stand in the script's source."""
    first, *rest = [*dropwhile(lambda part: part in ("-E", "-I", "-u"), arguments), ""]
    if not first:
        return None
    if first == "-m":
        module, *rest = rest
        if module in ("pip", "venv"):
            return None
        if module == "pytest":
            paths = [part for part in rest if part.startswith("tests") and part not in UNFINISHED]
            missing = [path for path in paths if not (ROOT / path).exists()]
            return f"there is no {missing}" if missing else None
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            return f"there is no module {module}"
        sources = [
            file
            for folder in spec.submodule_search_locations or ()
            for file in sorted(ROOT.joinpath(folder).rglob("*.py"))
        ]
    else:
        script = ROOT / first.removeprefix("TREE/").replace("selva-bundle/", "installer/")
        if not script.is_file():
            return f"there is no {first}"
        sources = sorted(script.parent.rglob("*.py"))
    source = "\n".join(file.read_text(encoding="utf-8") for file in sources)
    unknown = [part for part in rest if part.startswith("--") and f'"{part}"' not in source and sources]
    return f"{first} has no {unknown}" if unknown else None


@pytest.mark.parametrize("name", PAGES)
def test_every_command_of_a_page_is_one(name: str) -> None:
    page = PAGES[name]
    faults = [(" ".join(command), find_fault(command)) for command in page.iter_shell_commands()]
    faults += [(" ".join(command), find_fault_of_named(command)) for command in page.iter_named_commands()]
    assert [fault for fault in faults if fault[1]] == []


def test_there_are_commands_to_look_at() -> None:
    assert sum(len(list(page.iter_shell_commands())) for page in PAGES.values()) > 60
    assert sum(len(list(page.iter_named_commands())) for page in PAGES.values()) > 100


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("selva render a.otio -o b.otio --track Dog=dog", None),
        ("selva render a.otio -o b.otio --trak Dog=dog", "No such option: --trak"),
        ("selva render a.otio -o b.otio --takes many", "valid integer"),
        ("selva rendre a.otio", "selva has no command ['rendre']"),
        ("python installer/lock.py --check", None),
        ("python installer/lock.py --chek", "installer/lock.py has no ['--chek']"),
        ("python bench/nowhere.py", "there is no bench/nowhere.py"),
        ("python -m pytest tests/nowhere", "there is no ['tests/nowhere']"),
        ("sudo make", "sudo is neither ours"),
    ],
)
def test_a_wrong_command_would_be_seen(command: str, fault: str | None) -> None:
    found = find_fault(command.split())
    assert found is None if fault is None else found is not None and fault in found


@pytest.mark.parametrize(
    ("command", "is_wrong"),
    [
        ("selva jobs cancel", False),
        ("selva models pull MODEL", False),
        ("selva jobs abandon", True),
        ("selva doctor --repair", True),
        ("python3 installer/install.py --dry-run", False),
        ("python3 installer/install.py --dry-ruin", True),
    ],
)
def test_a_wrong_command_in_prose_would_be_seen(command: str, is_wrong: bool) -> None:
    assert (find_fault_of_named(command.split()) is not None) is is_wrong


@pytest.mark.parametrize("command", ["render", "stems", "spot"])
def test_the_page_on_timelines_names_every_option(command: str) -> None:
    table = PAGES["docs/formats/timelines.md"].text.partition("| option | meaning |")[2].partition("\n\n")[0]
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", table))
    parameters = command_line().commands[command].params
    options = {option for each in parameters for option in each.opts if option.startswith("--")} - {"--help"}
    assert options - named == set()
