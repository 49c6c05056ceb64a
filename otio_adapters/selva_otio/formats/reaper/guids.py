"""GUIDs derived from what an object is, so that the same timeline gives the same project."""

from __future__ import annotations

import re
import uuid

_GUID_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://opentimeline.io/reaper-project")
_GUID = re.compile(r"\{[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}")


class GuidRegister:
    """Gives each track, item and take of a project its own GUID. project_text: a project whose GUIDs are taken."""

    def __init__(self, project_text: str = "") -> None:
        self._taken = {guid.upper() for guid in _GUID.findall(project_text)}

    def claim(self, identity: str, *, preferred: str = "") -> str:
        """`preferred` where it is a GUID that is still free, else one derived from `identity`."""
        if _GUID.fullmatch(preferred) and preferred.upper() not in self._taken:
            self._taken.add(preferred.upper())
            return preferred
        number = 0
        while True:  # two objects of the same identity: a copy of an item
            derived = uuid.uuid5(_GUID_SPACE, f"{identity}\n{number}" if number else identity)
            guid = f"{{{derived}}}".upper()
            if guid not in self._taken:
                self._taken.add(guid)
                return guid
            number += 1
