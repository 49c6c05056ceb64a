"""GUIDs made of what a thing is, so that the same timeline gives the same project."""

from __future__ import annotations

import re
import uuid

_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://opentimeline.io/reaper-project")
_GUID = re.compile(r"\{[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}")


class GuidRegister:
    """Gives each thing of one project a GUID of its own."""

    def __init__(self, project_text: str = "") -> None:
        self._taken = {guid.upper() for guid in _GUID.findall(project_text)}

    def claim(self, identity: str, *, wanted: str = "") -> str:
        """`wanted` where it is a GUID that nothing has yet, else one made of `identity`."""
        if _GUID.fullmatch(wanted) and wanted.upper() not in self._taken:
            self._taken.add(wanted.upper())
            return wanted
        number = 0
        while True:
            made = uuid.uuid5(_SPACE, f"{identity}\n{number}" if number else identity)
            guid = f"{{{made}}}".upper()
            if guid not in self._taken:
                self._taken.add(guid)
                return guid
            number += 1
