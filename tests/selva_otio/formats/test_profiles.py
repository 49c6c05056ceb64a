"""Hosts and the formats that they import."""

from __future__ import annotations

from pathlib import Path

import pytest

from selva_otio.errors import UnsupportedFormatError
from selva_otio.formats.profiles import find_profile
from selva_otio.timelines import check_timeline_target


def test_a_format_that_the_host_does_not_import_is_refused(tmp_path: Path) -> None:
    check_timeline_target(tmp_path / "out.rpp", profile=find_profile("reaper"))
    with pytest.raises(UnsupportedFormatError, match=r"REAPER does not import \.otio; write \.rpp"):
        check_timeline_target(tmp_path / "out.otio", profile=find_profile("reaper"))
    with pytest.raises(UnsupportedFormatError, match="known hosts are resolve, premiere"):
        find_profile("avid")
