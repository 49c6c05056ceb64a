"""The lines in docs/reference/python-client.md run as they stand."""

from __future__ import annotations

import builtins as builtins_module
import re
from pathlib import Path

import pytest

from selva_core.base.errors import SelvaError
from selva_core.models.catalog import default_models_dir, listed_models, missing_files
from selva_daemon.client.client import Client
from selva_daemon.protocol import errors

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "python-client.md").read_text(encoding="utf-8")
FIRST, SECOND = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_ten_lines_make_stems(
    client: Client, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(FIRST, {"clip": clip, "folder": tmp_path / "stems", "model": "selva-echo"})  # noqa: S102 - of our own page
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["Boots", "1"], ["Boots", "2"]]
    assert all(Path(line.split(maxsplit=2)[2]).is_file() for line in lines)
    assert [job.state for job in client.jobs()] == ["done"]


@pytest.mark.usefixtures("client")
def test_the_lines_that_follow_jobs_run() -> None:
    names: dict[str, object] = {}
    exec("from selva_daemon import Client\n" + SECOND, names)  # noqa: S102 - of our own page
    assert names["installed"] == [
        model.model_id for model in listed_models() if not missing_files(model, default_models_dir())
    ]


def test_the_page_says_which_builtin_an_error_is() -> None:
    rows = [line.split("|")[1:3] for line in PAGE.splitlines() if line.startswith("| `")]
    pairs = [
        (name.strip("` "), builtin.strip("` "))
        for names, builtins in rows
        for name, builtin in zip(names.split(","), builtins.split(","), strict=True)
    ]
    assert len(pairs) == 6
    for name, builtin in pairs:
        error = getattr(errors, name)
        assert issubclass(error, SelvaError)
        assert issubclass(error, getattr(builtins_module, builtin))
