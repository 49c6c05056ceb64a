from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("lupa", reason="the REAPER double needs Lua: pip install lupa")

from tests.selva_plugins.reaper.double import LUA_VERSIONS, Profile, World

SCRIPTS = Path(__file__).parents[3] / "plugins" / "reaper" / "Selva"


@pytest.fixture(params=LUA_VERSIONS)
def lua(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def profile(lua: str) -> Profile:
    """REAPER 6 with Lua 5.3, or a new REAPER with Lua 5.4."""
    return Profile(version="6.83" if lua == "5.3" else "7.78", lua=lua)


@pytest.fixture
def world(profile: Profile, tmp_path: Path) -> Iterator[World]:
    """A REAPER that fails the test when a script makes a mistake."""
    played = World(profile, tmp_path)
    yield played
    played.quit()
    played.stop_processes()
    played.assert_clean()
