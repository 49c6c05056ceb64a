"""How much memory may still be taken, also in a container."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from selva_core.inference.machine_memory import find_available_bytes


def write_group(folder: Path, limit: str, used: int, cached: int) -> None:
    folder.mkdir(parents=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {cached}\nfile 7\n")


@pytest.fixture
def own_groups(tmp_path: Path) -> Path:
    file = tmp_path / "cgroup"
    file.write_text("1:name=other:/x\n0::/outer/inner\n")
    return file


def test_limit_of_a_container_counts_with_what_is_only_cached_in_it(own_groups: Path, tmp_path: Path) -> None:
    groups = tmp_path / "groups"
    write_group(groups / "outer", "5000000", used=3_000_000, cached=500_000)
    write_group(groups / "outer" / "inner", "max", used=2_000_000, cached=0)
    assert find_available_bytes(own_groups=own_groups, groups=groups) == 2_500_000


def test_group_that_is_over_its_limit_has_nothing_left(own_groups: Path, tmp_path: Path) -> None:
    write_group(tmp_path / "groups" / "outer" / "inner", "1000", used=2000, cached=0)
    assert find_available_bytes(own_groups=own_groups, groups=tmp_path / "groups") == 0


def test_without_control_groups_the_system_is_believed(tmp_path: Path) -> None:
    found = find_available_bytes(own_groups=tmp_path / "none", groups=tmp_path / "none")
    assert 0 < found <= psutil.virtual_memory().total
