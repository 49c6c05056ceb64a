"""The size of files, folders and functions: each is read on a few screens, and a list of files is taken in by eye."""

from __future__ import annotations

import ast
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("selva_core", "daemon", "otio_adapters", "plugins", "installer", "bench", "tests")
MAX_LINES = 400
MAX_TEST_LINES = 450
MAX_FILES = 20
"""Python files in one folder, `__init__.py` aside."""
MAX_FUNCTION_LINES = 40
"""From the first statement to the last: the signature and the docstring do not count."""

LONG_FILES = {
    "daemon/selva_daemon/jobs/queue.py": "the one owner of the table of jobs: its transactions are read side by side",
}
"""The files that may be longer, and why."""
CROWDED_FOLDERS: dict[str, str] = {}
"""The folders that may hold more files, and why."""
LONG_FUNCTIONS: dict[str, str] = {}
"""The functions that may be longer, as "file: name", and why."""


def python_files() -> tuple[str, ...]:
    """Python files of the tree, relative to its root; of a checkout those that git knows or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    if listed.returncode == 0:
        names: Iterable[str] = listed.stdout.splitlines()
    else:
        names = (
            file.relative_to(ROOT).as_posix() for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")
        )
    return tuple(name for name in names if (ROOT / name).is_file())


def iter_long_files(num_lines: Mapping[str, int]) -> Iterator[str]:
    for name, lines in num_lines.items():
        limit = MAX_TEST_LINES if name.startswith("tests/") else MAX_LINES
        if lines > limit and name not in LONG_FILES:
            yield f"{name}: {lines} lines, {limit} are allowed; divide it by subject, or name it in LONG_FILES with the reason"


def iter_crowded_folders(names: Iterable[str]) -> Iterator[str]:
    counts = Counter(name.rpartition("/")[0] for name in names if not name.endswith("/__init__.py"))
    for folder, count in counts.items():
        if count > MAX_FILES and folder not in CROWDED_FOLDERS:
            yield f"{folder}: {count} Python files, {MAX_FILES} are allowed; give it rooms"


def count_function_lines(source: str) -> Iterator[tuple[str, int]]:
    """Each function of a module, nested ones and methods too, with the lines of its body."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            has_docstring = ast.get_docstring(node, clean=False) is not None
            body = node.body[1:] if has_docstring else node.body
            if body:
                yield node.name, (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1


def iter_long_functions(sources: Mapping[str, str]) -> Iterator[str]:
    for file, source in sources.items():
        for name, lines in count_function_lines(source):
            if lines > MAX_FUNCTION_LINES and f"{file}: {name}" not in LONG_FUNCTIONS:
                yield f"{file}: {name} has {lines} lines, {MAX_FUNCTION_LINES} are allowed; divide it by sense"


def count_lines() -> dict[str, int]:
    return {name: (ROOT / name).read_text(encoding="utf-8").count("\n") for name in python_files()}


def test_no_file_is_longer_than_a_few_screens() -> None:
    num_lines = count_lines()
    assert len(num_lines) > 100
    assert list(iter_long_files(num_lines)) == []


def test_no_folder_has_more_files_than_an_eye_takes_in() -> None:
    assert list(iter_crowded_folders(python_files())) == []


def test_no_function_is_longer_than_a_screen() -> None:
    sources = {name: (ROOT / name).read_text(encoding="utf-8") for name in python_files()}
    assert sum(1 for source in sources.values() for _ in count_function_lines(source)) > 1000
    assert list(iter_long_functions(sources)) == []


def test_every_exception_is_still_needed() -> None:
    num_lines = count_lines()
    assert [name for name in LONG_FILES if num_lines.get(name, 0) <= MAX_LINES] == []


def test_what_is_too_long_or_too_crowded_would_be_seen() -> None:
    """The twin of the tests above: the same checks do find fault."""
    assert len(list(iter_long_files({"daemon/a.py": 401, "daemon/b.py": 400, "tests/a.py": 450}))) == 1
    crowd = [f"daemon/room/{number}.py" for number in range(21)]
    assert len(list(iter_crowded_folders(crowd))) == 1
    assert list(iter_crowded_folders([*crowd[1:], "daemon/room/__init__.py"])) == []
    functions = {
        "daemon/a.py": "class A:\n    async def grow(self):\n        'What.'\n" + "        x = 1\n" * 41,
        "daemon/b.py": "def fit():\n    'What.'\n" + "    x = 1\n" * 40,
    }
    assert list(iter_long_functions(functions)) == [
        "daemon/a.py: grow has 41 lines, 40 are allowed; divide it by sense"
    ]
