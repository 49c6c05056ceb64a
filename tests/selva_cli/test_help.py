"""What `selva --help` shows, and how little it loads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from selva_cli.app import app
from selva_core.base.paths import AppPaths

HEAVY = {"torch", "torchaudio", "transformers", "av", "numpy", "opentimelineio", "zmq", "rich.progress"}

# Scripts and hosts call these; a name that goes or changes breaks them. Arguments stand by their metavar.
COMMANDS = {
    "": "--version --quiet -q --verbose -v --install-completion --show-completion",
    "render": (
        "[CUT.otio] --output -o --track --cues --negative --video-track --handles --markers "
        "--no-markers --marker-colour --stems-dir --takes --seed --model --sample-rate --steps "
        "--guidance --separate --absent --pan --pan-width --distance --precision --quality --naming --c2pa "
        "--for --media-dir --frame-rate --host --timeline "
        "--all-timelines --mark-stems --best-of --replace --json"
    ),
    "redo": (
        "STEM|CUE --from --to --extend-head --extend-tail --prompt --negative --seed --media --in --output -o --replace "
        "--absent --json"
    ),
    "conform": (
        "OLD.otio NEW.otio --output -o --track --cues --negative --video-track --handles --markers --no-markers "
        "--marker-colour --relink --dry-run --replace --mark --no-mark --stems-dir --takes --seed --model --sample-rate "
        "--steps --guidance --absent --precision --quality --separate --pan --pan-width --distance --naming --c2pa --for "
        "--media-dir --frame-rate --json --csv"
    ),
    "farm export": (
        "CUT.otio --output -o --track --cues --negative --video-track --handles --markers --no-markers --marker-colour "
        "--takes --seed --model --sample-rate --steps --guidance --separate --absent --pan --pan-width --distance --precision "
        "--quality --naming --c2pa --media-dir --frame-rate --timeline --for --media --clips-per-task --gpus --command --json"
    ),
    "farm render": (
        "JOB --task --clips-per-task --track --negative --cue-sheet --model --takes --seed --quality --for --naming "
        "--path-mapping --own-daemon --openjd --json"
    ),
    "farm gather": (
        "JOB --output -o --for --replace --track --negative --cue-sheet --model --takes --seed --quality --openjd --json"
    ),
    "mcp": "--folder",
    "stems": (
        "VIDEO --output -o --track --negative --start --end --frame-rate --missing-images --takes "
        "--seed --model --sample-rate --steps --guidance --separate --absent --pan --pan-width --distance --precision --quality "
        "--naming --c2pa --json"
    ),
    "spot": (
        "CUT.otio --track --cues --negative --video-track --handles --markers --no-markers "
        "--marker-colour --takes --model --look --media-dir --frame-rate --json --csv"
    ),
    "watch run": (
        "FOLDER --output -o --takes --seed --model --sample-rate --steps --guidance --separate --quality "
        "--precision --absent --pan --pan-width --distance --handles --subfolders --no-subfolders "
        "--changes --move-sources --once"
    ),
    "watch again": "FOLDER NAME... --json",
    "watch forget": "FOLDER NAME... --json",
    "watch resume": "FOLDER --json",
    "watch pause": "FOLDER --json",
    "watch remove": "FOLDER --json",
    "watch list": "FOLDER --state --limit -n --json",
    "watch add": (
        "FOLDER --output -o --model --takes --handles --subfolders --no-subfolders --changes --settle "
        "--rescan --move-sources --hook --webhook --hours --notify --pages --no-pages --json"
    ),
    "events": "STEMS|CUT --output -o --note --frame-rate --replace --json",
    "overview": "OUT.otio --output -o --replace --json",
    "panel": "[CUT|VIDEO] --host --browser --no-browser --json",
    "doctor": "--fix --report --only --skip --json",
    "daemon invite": "NAME --to --address --json",
    "daemon clients": "--json",
    "daemon revoke": "NAME --json",
    "daemon run": "--device --executor --keep-alive --listen --memory",
    "daemon start": "--device --executor --keep-alive --listen --memory --json",
    "daemon stop": "--json",
    "daemon status": "--json",
    "daemon metrics": "",
    "daemon pause": "",
    "daemon resume": "",
    "daemon yield": "",
    "daemon logs": "--job --lines -n --follow -f --json",
    "jobs list": "--state --limit -n --json",
    "jobs show": "ID --json",
    "jobs watch": "ID... --cancel-on-interrupt --json",
    "jobs cancel": "[ID...] --all --json",
    "jobs retry": "ID... --json",
    "jobs move": "ID... --last --json",
    "jobs clear": "--json",
    "models list": "--commercial --json",
    "models info": "MODEL --probe --no-probe --json",
    "models where": "--json",
    "models pull": "MODEL --accept-licence --accept-licences --accept-changed --json",
    "models verify": "[MODEL] --json",
    "models import": "FOLDER --accept-licence --accept-licences --json",
    "models remove": "MODEL --yes -y --json",
    "models move": "FOLDER --json",
    "host resolve": (
        "--watch --idle-exit --resource-path --model --seed --handles --negative --mark-stems "
        "--replace --remove-stems"
    ),
    "host reaper": "REQUEST",
    "host install": "HOST --resource-path --startup --no-startup --json",
    "host remove": "HOST --resource-path --json",
    "host check": "HOST --resource-path --json",
    "cache info": "--json",
    "cache clear": "--json",
    "config show": "--changed --json",
    "config get": "NAME --json",
    "config set": "NAME VALUE...",
    "config unset": "NAME",
    "config edit": "",
    "config path": "--json",
}


def test_every_command_has_the_options_that_scripts_rely_on() -> None:
    found = {path: list_parameters(command) for path, command in iter_commands()}
    assert found.keys() == COMMANDS.keys()
    for path, parameters in COMMANDS.items():
        assert sorted(found[path]) == sorted(parameters.split()), path or "selva"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["render", "--help"], ["daemon", "--help"], ["watch", "-h"]]
)
def test_help_loads_no_library_that_takes_long(arguments: list[str]) -> None:
    program = (
        f"import sys, json\nsys.argv = ['selva', *{arguments!r}]\nfrom selva_cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown, _, modules = done.stdout.strip().rpartition("\n")
    assert "Usage: selva" in shown
    assert not HEAVY & set(json.loads(modules))


def test_a_list_is_printed_without_the_libraries_of_help_and_progress(paths: AppPaths) -> None:
    """`jobs list` ran for a second, most of it to load what it does not use."""
    program = (
        "import sys, json\nsys.argv = ['selva', 'models', 'list']\nfrom selva_cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    shown, _, modules = done.stdout.strip().rpartition("\n")
    assert "selva-nano" in shown
    unused = {"rich.console", "rich.table", "markdown_it", "torch", "av", "opentimelineio"}
    assert not unused & set(json.loads(modules))


def test_a_library_that_a_command_loads_would_be_seen() -> None:
    """The twin of the refusal above."""
    program = (
        "import sys, json\nimport selva_cli.commands.render_commands\nprint(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"opentimelineio", "zmq", "rich.progress"} <= set(json.loads(done.stdout))


def iter_commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, and `selva` itself, by the words that lead to it."""
    waiting: list[tuple[str, Any]] = [("", typer.main.get_command(app))]
    while waiting:
        path, command = waiting.pop()
        subcommands = getattr(command, "commands", {})
        waiting += [(f"{path} {name}".strip(), subcommand) for name, subcommand in subcommands.items()]
        if not path or not subcommands:
            yield path, command


def list_parameters(command: Any) -> list[str]:
    return [
        name
        for parameter in command.params
        if not getattr(parameter, "hidden", False)
        for name in (
            [str(parameter.metavar)]
            if parameter.param_type_name == "argument"
            else [*parameter.opts, *parameter.secondary_opts]
        )
    ]
