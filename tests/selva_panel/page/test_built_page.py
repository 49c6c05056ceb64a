"""The built files are what the sources give, and ask for nothing that the policy forbids."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import pytest

import selva_daemon.protocol.errors
import selva_otio.errors
import selva_panel.errors
import selva_plugins.errors
import selva_plugins.hosts.resolve.errors
from selva_core.base.errors import SelvaError
from selva_daemon.protocol.status import JobStatus
from tests.selva_panel.page.conftest import ROOT, WEB

STATIC = ROOT / "plugins" / "panel" / "selva_panel" / "static"
LANGUAGES = ("de", "ja")
ERROR_MODULES = (
    SelvaError.__module__,
    selva_otio.errors.__name__,
    selva_daemon.protocol.errors.__name__,
    selva_plugins.errors.__name__,
    selva_plugins.hosts.resolve.errors.__name__,
    selva_panel.errors.__name__,
)


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def read_strings(language: str) -> dict[str, str]:
    strings: dict[str, str] = json.loads((WEB / "strings" / f"{language}.json").read_text(encoding="utf-8"))
    return strings


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def test_building_again_gives_the_same_bytes(web: Path, tmp_path: Path) -> None:
    subprocess.run(["node", str(web / "build" / "build.mjs"), str(tmp_path / "out")], check=True, timeout=120)
    assert files_below(tmp_path / "out") == files_below(STATIC)


def test_sources_pass_the_type_checker(web: Path) -> None:
    compiler = web / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run(
        ["node", str(compiler), "--noEmit", "-p", str(web)],
        capture_output=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")


def test_page_has_no_inline_script_or_style() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script[^>]*>[^<]", page) == []
    assert "<style" not in page
    assert re.findall(r"\s(?:style|on\w+)=", page) == []
    assert set(re.findall(r"(?:src|href)=\"([^\"]+)\"", page)) == {
        "/assets/icon.svg",
        "/assets/app.css",
        "/assets/app.js",
    }


def test_every_library_that_is_built_in_is_listed_with_its_licence() -> None:
    package = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
    licences = (STATIC / "assets" / "licences.txt").read_text(encoding="utf-8")
    for name, version in package["dependencies"].items():
        assert f"{name} {version} (" in licences
    assert licences.count("Permission is hereby granted") + licences.count("Redistribution and use") == 4


def test_packages_are_pinned_and_name_no_registry() -> None:
    package = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
    versions = [*package["dependencies"].values(), *package["devDependencies"].values()]
    assert [version for version in versions if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
    assert '"resolved"' not in (WEB / "package-lock.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_every_string_with_its_placeholders(language: str) -> None:
    english, other = read_strings("en"), read_strings(language)
    assert set(other) == set(english)
    assert [key for key in english if placeholders(english[key]) != placeholders(other[key])] == []
    assert [key for key, text in other.items() if not text.strip()] == []


def test_every_string_that_the_page_names_is_there() -> None:
    source = "\n".join(
        file.read_text(encoding="utf-8") for file in (WEB / "src").rglob("*.ts*") if file.is_file()
    )
    english = read_strings("en")
    named = set(re.findall(r"\bt\(\"([\w.]+)\"", source)) | set(re.findall(r"text: \"(key\.\w+)\"", source))
    assert len(named) > 100
    assert named - set(english) == set()


def test_every_stage_of_the_daemon_has_its_words() -> None:
    described = get_type_hints(JobStatus, include_extras=True)["stage"].__metadata__[0].description
    stages = re.findall(r"`(\w+)`", described)
    assert len(stages) > 5
    assert [stage for stage in stages if f"stage.{stage}" not in read_strings("en")] == []


def test_strings_that_no_source_names_are_not_carried_along() -> None:
    source = "\n".join(
        file.read_text(encoding="utf-8") for file in (WEB / "src").rglob("*.ts*") if file.is_file()
    )
    by_value = (
        "source.",
        "scope.",
        "daemon.",
        "theme.",
        "pan.",
        "hint.",
        "measure.",
        "stage.",
        "job.state.",
        "tab.",
        "keys.",
        "error.",
        "sent.",  # of the page that is sent, which the server fills in
    )
    unused = [
        key
        for key in read_strings("en")
        if f'"{key.removesuffix(".one")}"' not in source and not key.startswith(by_value)
    ]
    assert unused == []


def test_every_code_of_an_error_that_the_page_may_be_sent_has_words() -> None:
    strings = read_strings("en")
    codes = {error.code for error in _list_errors(SelvaError)} | {
        "look-uncalibrated",
        "clip-problem",
        "clip-warning",
    }
    assert {"media-not-found", "worker-died", "resolve-silent", "panel-nothing"} <= codes

    def has_words(code: str) -> bool:
        """As the page looks for them: by the code, or by what it begins with."""
        return f"error.{code}" in strings or ("-" in code and has_words(code.rpartition("-")[0]))

    assert sorted(code for code in codes if not has_words(code)) == []


def _list_errors(kind: type[SelvaError]) -> Iterator[type[SelvaError]]:
    """Of the rooms that the panel works with."""
    for error in kind.__subclasses__():
        if error.__module__ in ERROR_MODULES:
            yield error
        yield from _list_errors(error)
