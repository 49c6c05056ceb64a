"""`selva config`."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from selva_cli.options.timeline_options import RenderArguments
from selva_core.base.paths import AppPaths
from selva_core.base.render_options import PanOptions
from tests.selva_cli.command_line import RunCommand, read_json


def editor(folder: Path, body: str) -> str:
    """A command that changes the file it is given, as an editor does."""
    program = folder / "editor.py"
    program.write_text(f"import pathlib, sys\nfile = pathlib.Path(sys.argv[1])\n{body}\n")
    return f'"{sys.executable}" "{program}"'


def test_a_setting_that_is_set_is_shown_with_its_file_and_line(selva: RunCommand, paths: AppPaths) -> None:
    assert selva("config", "set", "keep_alive_s", "-1")[0] == 0
    assert selva("config", "get", "keep_alive_s") == (0, "-1\n", "")
    shown = {row["name"]: row for row in read_json(selva("config", "show", "--changed", "--json"))}
    assert shown.keys() == {"keep_alive_s", "cache_dir"}  # the latter by a variable, as all tests
    row = shown["keep_alive_s"]
    assert (row["value"], row["needs_restart"]) == (-1, True)
    assert row["source"] == f"{paths.settings_file} line 3"
    assert selva("config", "unset", "keep_alive_s")[1] == "keep_alive_s has its default again: 300\n"
    assert read_json(selva("config", "get", "keep_alive_s", "--json"))["source"] == "default"


def test_a_name_that_there_is_not_is_refused_with_the_nearest(selva: RunCommand, paths: AppPaths) -> None:
    for arguments in (("get", "devise"), ("set", "devise", "cpu"), ("unset", "devise")):
        status, output, errors = selva("config", *arguments)
        assert (status, output) == (1, "")
        assert errors == "selva: there is no setting 'devise'; did you mean 'device'?\n"


def test_a_variable_that_wins_and_a_daemon_that_must_start_again_are_mentioned(
    selva: RunCommand, paths: AppPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert selva("config", "set", "device", "cpu")[2] == ""
    monkeypatch.setenv("SELVA_DEVICE", "mps")
    assert "SELVA_DEVICE is set here and has precedence" in selva("config", "set", "device", "cpu")[2]
    monkeypatch.delenv("SELVA_DEVICE")
    paths.state.mkdir(parents=True)
    paths.own_connection_file.write_text("{}")
    assert "daemon stop" in selva("config", "set", "device", "cpu")[2]
    assert selva("config", "set", "stems_dir", str(paths.state))[2] == ""


def test_the_path_of_the_file_is_printed_also_where_it_is_broken(selva: RunCommand, paths: AppPaths) -> None:
    paths.config.mkdir(parents=True, mode=0o700)
    paths.settings_file.write_text("device = \n")
    assert selva("config", "path")[1] == f"{paths.settings_file}\n"
    assert read_json(selva("config", "path", "--json")) == {"path": str(paths.settings_file), "exists": True}
    assert "line 1" in selva("config", "show")[2]
    paths.settings_file.unlink()
    assert read_json(selva("config", "path", "--json"))["exists"] is False


def test_a_wrong_file_is_mended_and_what_is_still_wrong_in_it_is_named(
    selva: RunCommand, paths: AppPaths
) -> None:
    paths.config.mkdir(parents=True, mode=0o700)
    paths.settings_file.write_text("port = 80\nprot = 1\n")
    status, output, errors = selva("config", "set", "port", "0")
    assert (status, output) == (0, f"port = 0 (in {paths.settings_file})\n")
    assert "line 2: there is no setting 'prot'" in errors
    assert "was taken out" in selva("config", "unset", "prot")[1]
    assert selva("config", "get", "port") == (0, "0\n", "")


def test_a_model_that_there_is_not_is_not_set(selva: RunCommand, paths: AppPaths) -> None:
    status, output, errors = selva("config", "set", "model", "nano")
    assert (status, output) == (1, "")
    assert "no model is called 'nano'" in errors
    assert "did you mean 'selva-nano'?" in errors
    assert not paths.settings_file.exists()
    assert selva("config", "set", "model", "selva-nano")[0] == 0


def test_an_edit_that_holds_is_taken_and_begins_with_every_setting(
    selva: RunCommand, paths: AppPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "text = file.read_text()\nassert '# keep_alive_s = 300' in text\nfile.write_text('port = 2000\\n')"
    monkeypatch.setenv("EDITOR", editor(tmp_path, body))
    assert selva("config", "edit") == (0, f"written: {paths.settings_file}\n", "")
    assert paths.settings_file.read_text() == "port = 2000\n"


def test_an_edit_that_does_not_hold_changes_nothing_and_is_kept(
    selva: RunCommand, paths: AppPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    selva("config", "set", "port", "2000")
    monkeypatch.setenv("EDITOR", editor(tmp_path, "file.write_text('\\nprot = 1\\n')"))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    status, output, errors = selva("config", "edit")
    assert (status, output) == (1, "")
    assert "line 2: there is no setting 'prot'; did you mean 'port'?" in errors
    assert "config edit" in errors
    assert "port = 2000" in paths.settings_file.read_text()
    monkeypatch.setenv(
        "EDITOR", editor(tmp_path, "file.write_text(file.read_text().replace('prot', 'port'))")
    )
    assert selva("config", "edit")[2].startswith("selva:")  # 1 is no port either
    monkeypatch.setenv("EDITOR", editor(tmp_path, "file.write_text('port = 3000\\n')"))
    assert selva("config", "edit")[0] == 0
    assert paths.settings_file.read_text() == "port = 3000\n"


def test_a_setting_with_which_the_daemon_does_not_start_is_set_with_a_warning(
    selva: RunCommand, paths: AppPaths, tmp_path: Path
) -> None:
    status, _, errors = selva("config", "set", "listen", "192.0.2.1")
    assert status == 0
    assert "does not start with these settings yet: listening on 192.0.2.1 needs output_folders" in errors
    assert "does not start" not in selva("config", "set", "output_folders", str(tmp_path))[2]


def test_an_editor_that_fails_changes_nothing(
    selva: RunCommand, paths: AppPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", editor(tmp_path, "sys.exit(3)"))
    assert "ended with status 3" in selva("config", "edit")[2]
    monkeypatch.setenv("EDITOR", str(tmp_path / "nonesuch"))
    assert "name another in EDITOR" in selva("config", "edit")[2]
    assert not paths.settings_file.exists()


@pytest.mark.parametrize("variable", ["EDITOR", "VISUAL"])
def test_an_editor_with_a_quotation_mark_too_few_is_named_with_its_variable(
    selva: RunCommand, paths: AppPaths, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv(variable, '"my editor')
    status, _, errors = selva("config", "edit")
    assert status == 1
    assert f"the variable {variable} is no command: no closing quotation" in errors
    assert not paths.settings_file.exists()


def test_the_model_of_the_settings_is_used_where_none_is_named(
    selva: RunCommand, paths: AppPaths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from selva_render.options import choose_model, default_stems_folder  # noqa: PLC0415

    assert choose_model(None) == "selva-nano"
    selva("config", "set", "model", "selva-echo")
    selva("config", "set", "stems_dir", str(tmp_path / "all"))
    assert choose_model(None) == "selva-echo"
    assert choose_model("selva-nano") == "selva-nano"
    assert default_stems_folder(tmp_path / "reel 1.otio") == tmp_path / "all" / "reel 1"
    paths.settings_file.write_text(paths.settings_file.read_text().replace("selva-echo", "selva-mega"))
    with pytest.raises(LookupError, match=r"selva\.toml line \d: no model is called 'selva-mega'"):
        choose_model(None)


def test_json_of_all_settings_can_be_read_by_programs(selva: RunCommand, paths: AppPaths) -> None:
    shown = read_json(selva("config", "show", "--json"))
    assert {"device", "model", "cache_dir"} <= {row["name"] for row in shown}
    assert json.dumps(shown)


def test_what_is_absent_is_treated_as_the_settings_say_unless_an_option_does(
    selva: RunCommand, paths: AppPaths
) -> None:
    assert RenderArguments().build().absent == "silent"
    selva("config", "set", "absent", "keep")
    assert RenderArguments().build().absent == "keep"
    assert RenderArguments(absent="silent").build().absent == "silent"


def test_stems_are_panned_as_the_settings_say_unless_an_option_does(
    selva: RunCommand, paths: AppPaths
) -> None:
    assert RenderArguments().build().pan == PanOptions()
    selva("config", "set", "pan", "envelope")
    selva("config", "set", "pan_width", "0.6")
    assert RenderArguments().build().pan == PanOptions(mode="envelope", width=0.6)
    typed = RenderArguments(pan="stereo", pan_width=0.0, distance=True).build()
    assert typed.pan == PanOptions(mode="stereo", width=0.0, distance=True)
    status, _, errors = selva("config", "set", "pan_width", "1.5")
    assert status == 1
    assert "0 to 1" in errors
    assert RenderArguments().build().pan.width == 0.6
