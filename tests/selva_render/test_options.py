"""What is refused before the daemon is started, and which model is chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from selva_core.base.errors import ConfigurationError, RequestError, UnknownModelError
from selva_core.base.render_options import RenderOptions
from selva_otio.errors import TimelineWriteError, UnsupportedFormatError
from selva_otio.formats.profiles import find_profile
from selva_render import options as options_module
from selva_render.options import OutputOptions, check_options, choose_model

ECHO = RenderOptions(model="selva-echo")


def test_options_that_can_be_rendered_are_accepted_and_nothing_is_made(tmp_path: Path) -> None:
    output = OutputOptions(stems_folder=tmp_path / "new" / "stems", timeline=tmp_path / "out.otio")
    check_options(ECHO, output, source=tmp_path / "cut.otio")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    stems = tmp_path / "stems"
    cut = tmp_path / "cut.otio"
    over_itself = OutputOptions(stems_folder=stems, timeline=cut)
    with pytest.raises(TimelineWriteError, match="never changed"):
        check_options(ECHO, over_itself, source=cut)
    for_reaper = OutputOptions(stems_folder=stems, timeline=cut, profile=find_profile("reaper"))
    with pytest.raises(UnsupportedFormatError, match=r"REAPER does not import \.otio"):
        check_options(ECHO, for_reaper)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TimelineWriteError, match="is a file, not a folder"):
        check_options(ECHO, OutputOptions(stems_folder=tmp_path / "file" / "stems"))


def test_what_cannot_be_rendered_is_refused(tmp_path: Path) -> None:
    output = OutputOptions(stems_folder=tmp_path)
    with pytest.raises(UnknownModelError, match="selva-huge"):
        check_options(RenderOptions(model="selva-huge"), output)
    for_pro_tools = OutputOptions(stems_folder=tmp_path, profile=find_profile("protools"))
    with pytest.raises(UnsupportedFormatError, match="no sessions at 32000 Hz"):
        check_options(RenderOptions(model="selva-echo", sample_rate_hz=32_000), for_pro_tools)
    with pytest.raises(RequestError, match="timecode, ucs"):
        OutputOptions(stems_folder=tmp_path, naming="poetry")


def test_without_a_name_the_largest_installed_model_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_model(None) == "selva-nano", "the one that comes with the package"
    monkeypatch.setattr(options_module, "missing_files", lambda model, folder: {})
    assert choose_model(None) == "selva-large-44k"
    assert choose_model("selva-echo") == "selva-echo"


def test_a_setting_leaves_the_models_for_paid_work_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(options_module, "missing_files", lambda model, folder: {})
    monkeypatch.setenv("SELVA_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("SELVA_ONLY_COMMERCIAL_MODELS", "true")
    assert choose_model(None) == "selva-nano"
    with pytest.raises(ConfigurationError, match="selva-large-44k is not for paid work"):
        choose_model("selva-large-44k")
    assert choose_model("selva-nano") == "selva-nano"
