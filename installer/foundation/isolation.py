"""Which variables of the caller, and which settings of pip and uv, reach the programs that the installer starts.

Studios and other programs set variables for their own Pythons: with PYTHONHOME an environment installs into another Python, with
PIP_TARGET or PIP_USER it stays empty, with PIP_REQUIRE_VIRTUALENV nothing is installed. But a mirror of the package index, a
proxy and a certificate are what makes an installation possible at all behind a firewall: those are honoured.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from environment import SetupError

CLEARED_PREFIXES = ("PYTHON", "PIP_", "UV_", "CONDA_", "PYENV_", "_CE_")
CLEARED = (
    *("VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "__PYVENV_LAUNCHER__", "SELVA_CONNECTION_FILE"),
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "DYLD_FRAMEWORK_PATH"),
)
HONOURED_PIP = (
    *("index-url", "extra-index-url", "find-links", "no-index", "trusted-host"),
    *("cert", "client-cert", "proxy", "timeout", "default-timeout", "retries"),
)
HONOURED_UV = (
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX"),
    *("UV_INDEX_STRATEGY", "UV_INSECURE_HOST", "UV_KEYRING_PROVIDER", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS"),
    *("UV_HTTP_TIMEOUT", "UV_OFFLINE", "UV_PYTHON_INSTALL_MIRROR"),
)
_HONOURED_PIP_VARIABLES = tuple("PIP_" + name.upper().replace("-", "_") for name in HONOURED_PIP)
"""They come back by way of `pip config list`, which knows them too."""
_HARMLESS = (
    "PYENV_",
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUTF8",
    "PYTHONIOENCODING",
    "PIP_DISABLE_PIP",
)
_UV_OF_PIP = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
_COMMA_SEPARATED = ("UV_FIND_LINKS",)


class Isolated(NamedTuple):
    """variables: the environment for programs. cleared: names that were left out and would have led them astray."""

    variables: dict[str, str]
    cleared: list[str]


def isolate(environment: Mapping[str, str]) -> Isolated:
    """The caller's environment without what leads our Pythons astray; no configuration file of pip or uv is read."""
    variables, cleared = {}, []
    for name, value in environment.items():
        upper = name.upper()
        if upper in HONOURED_UV:
            variables[name] = value
        elif upper in CLEARED or upper.startswith(CLEARED_PREFIXES):
            if not (upper.startswith(_HARMLESS) or upper in _HONOURED_PIP_VARIABLES):
                cleared.append(name)
        else:
            variables[name] = value
    variables.update(
        PYTHONUTF8="1",
        PYTHONNOUSERSITE="1",
        PIP_CONFIG_FILE=os.devnull,
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_NO_INPUT="1",
        PIP_PROGRESS_BAR="off",
        UV_NO_CONFIG="1",
        UV_NO_PROGRESS="1",
    )
    return Isolated(variables, sorted(cleared))


def parse_pip_config(listing: str) -> dict[str, str]:
    """Options that pip's own `config list` names, without their sections: the environment over `install` over `global`.

    listing: lines of the form global.index-url='value'. Several values of one option are separated by blanks or line ends.
    """
    ranks = {"global": 0, "install": 1, ":env:": 2}
    found: dict[str, str] = {}
    found_ranks: dict[str, int] = {}
    for section, option, literal in re.findall(
        r"^(global|install|:env:)\.([\w-]+)=(.+)$", listing, re.MULTILINE
    ):
        try:
            value = str(ast.literal_eval(literal))
        except (ValueError, SyntaxError):
            continue
        name = option.replace("_", "-").lower()
        if ranks[section] >= found_ranks.get(name, 0):
            found[name], found_ranks[name] = value.strip(), ranks[section]
    return found


def honoured_variables(options: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Variables for pip and uv from pip's options; what the caller set for uv itself wins.

    uv takes a package from the first index that has it, pip the best of all: with several indexes uv is asked for the same.
    """
    chosen = {name: options[name] for name in HONOURED_PIP if options.get(name)}
    variables = {"PIP_" + name.upper().replace("-", "_"): value for name, value in chosen.items()}
    for name, uv_name in _UV_OF_PIP.items():
        if name in chosen and uv_name not in environment:
            separator = "," if uv_name in _COMMA_SEPARATED else " "
            variables[uv_name] = separator.join(chosen[name].split())
    if "extra-index-url" in chosen and "UV_INDEX_STRATEGY" not in environment:
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return variables


def ignored_options(options: Mapping[str, str]) -> list[str]:
    """Options of pip's configuration that are not followed."""
    return sorted(name for name in options if name not in HONOURED_PIP)


def check_variables(environment: Mapping[str, str]) -> None:
    """Refuse a value that no program can be started with. Raises SetupError."""
    for name, value in environment.items():
        if name.upper() in ("HTTP_PROXY", "HTTPS_PROXY") and value and "\n" in value:
            raise SetupError(f"the variable {name} holds a line break; set it anew")
