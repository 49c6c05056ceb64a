"""Which daemon and folders `selva host install` found, handed to the bridge that the host starts.

A host is started from a dock or a menu and has none of the variables of the terminal that installed its scripts. Without them its
bridge would start another daemon, with other folders, beside the one that the user runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from selva_core.base.errors import ConfigurationError
from selva_core.base.paths import CONNECTION_VARIABLE

HANDED = ("SELVA_STATE_DIR", "SELVA_CACHE_DIR", "SELVA_CONFIG_DIR", CONNECTION_VARIABLE, "SELVA_MODELS_DIR")
OPTION = "--set"


def collect(environment: Mapping[str, str]) -> dict[str, str]:
    """Those of these variables that are set."""
    return {name: value for name in HANDED if (value := environment.get(name))}


def build_options(environment: Mapping[str, str]) -> list[str]:
    """Arguments for the bridge's command line: one `--set=NAME=VALUE` for each of these variables that is set."""
    return [f"{OPTION}={name}={value}" for name, value in collect(environment).items()]


def parse_settings(texts: Iterable[str]) -> dict[str, str]:
    """The variables that options name. Raises ConfigurationError for one that is not handed."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if name not in HANDED or not sign or not value:
            raise ConfigurationError(
                f"{OPTION} takes NAME=VALUE, with one of {', '.join(HANDED)}; got {text!r}", value=text
            )
        found[name] = value
    return found


def read_command(command: Sequence[str]) -> dict[str, str]:
    """The variables that a bridge's command line hands over."""
    prefix = f"{OPTION}="
    return parse_settings(word.removeprefix(prefix) for word in command if word.startswith(prefix))


def describe_difference(handed: Mapping[str, str], environment: Mapping[str, str]) -> str | None:
    """In which variables the host's bridge differs from this terminal; None where it does not."""
    here = collect(environment)
    differing = [
        f"{name} is {handed.get(name) or 'not set'} in the host and {here.get(name) or 'not set'} here"
        for name in HANDED
        if handed.get(name) != here.get(name)
    ]
    return "; ".join(differing) or None
