"""Names that tests written against this project elsewhere import: what they call differs from ours, what they mean does not.

`selva_plugins.hosts.resolve_install` holds the folders of Resolve there, with the system's facts as single arguments.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from selva_plugins.hosts.resolve import install
from selva_plugins.hosts.resolve.homes import ResolveHome, choose_homes, find_homes
from selva_plugins.hosts.script_install import Machine

INSTALL_MODULE = "selva_plugins.hosts.resolve_install"


def find_homes_by_environment(
    state_folder: Path, *, platform: str = sys.platform, environment: Mapping[str, str] | None = None
) -> list[ResolveHome]:
    """`find_homes` with a home folder that is named in the environment."""
    values = dict(environment or {})
    home = Path(values["HOME"]) if "HOME" in values else Path.home()
    return find_homes(state_folder, Machine(platform=platform, environment=values, home=home))


def provide() -> None:
    """Let foreign tests import their names."""
    module = ModuleType(INSTALL_MODULE)
    names = {name: getattr(install, name) for name in dir(install) if not name.startswith("__")}
    vars(module).update(names, find_homes=find_homes_by_environment, choose_homes=choose_homes)
    sys.modules[INSTALL_MODULE] = module
