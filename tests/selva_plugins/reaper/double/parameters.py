"""The parameters that tracks, items and takes have alike: numbers by name, strings by name, and P_EXT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .state import Item, Take, Track
from .table import parse_version

if TYPE_CHECKING:
    from .world import World

Owner = Track | Item | Take


_SINCE_7 = {"C_LANEPLAYS"}


def read_value(world: World, owner: Owner, name: str) -> float:
    if name not in owner.values or (name in _SINCE_7 and parse_version(world.profile.version) < (7, 0)):
        world.record_violation(f"{type(owner).__name__}: no parameter {name!r}")
    return owner.values.get(name, 0.0)


def write_value(world: World, owner: Owner, name: str, value: float) -> bool:
    world.edit(owner)
    if name not in owner.values:
        world.record_violation(f"{type(owner).__name__}: no parameter {name!r}")
        return False
    owner.values[name] = value
    return True


def read_or_write_string(
    world: World, owner: Owner, name: str, value: str, is_setting: bool
) -> tuple[bool, str]:
    """GUID is read only, items have no name of their own, P_EXT:anything keeps what it is given."""
    if is_setting:
        world.edit(owner)
    if name.startswith("P_EXT:"):
        key = name.removeprefix("P_EXT:")
        if is_setting:
            owner.ext[key] = value
        return bool(owner.ext.get(key)), owner.ext.get(key, "")
    if name == "GUID" and not is_setting:
        return True, owner.guid
    if name == "P_NAME" and not isinstance(owner, Item):
        owner.name = value if is_setting else owner.name
        return True, owner.name
    world.record_violation(f"{type(owner).__name__}: no parameter {name!r}, setting {is_setting}")
    return False, ""
