"""The second of sound at the end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import av

from selva_cli.doctor.finding import ProgramOutput
from selva_cli.doctor.trial_render import check_render, write_frames
from tests.selva_cli.doctor.systems import build_system


class Programs:
    """Stands for the programs that a trial runs: the render and the stop of its daemon."""

    def __init__(self, output: ProgramOutput, *, makes_stem: bool) -> None:
        self.output, self.makes_stem = output, makes_stem
        self.commands: list[Sequence[str]] = []
        self.folders: set[str] = set()

    def __call__(
        self, command: Sequence[str], _limit_s: float, variables: Mapping[str, str]
    ) -> ProgramOutput:
        self.commands.append(command)
        self.folders.add(str(Path(variables["SELVA_STATE_DIR"]).parent))
        if "stems" in command and self.makes_stem:
            folder = Path(command[command.index("-o") + 1])
            folder.mkdir(parents=True)
            (folder / "Trial.wav").write_bytes(b"RIFF")
        return self.output


def test_a_stem_is_made_with_a_daemon_of_its_own_that_is_stopped_again(tmp_path: Path) -> None:
    programs = Programs(ProgramOutput(status=0), makes_stem=True)
    (line,) = check_render(build_system(tmp_path, run=programs))
    assert line.level == "ok"
    render, stop = programs.commands
    assert "selva-nano" in render
    assert stop[-2:] == ("daemon", "stop")
    (folder,) = programs.folders
    assert not Path(folder).exists()


def test_a_render_that_fails_is_a_line_with_its_cause(tmp_path: Path) -> None:
    error = {"error": {"code": "installation-broken", "message": "torch does not load"}}
    programs = Programs(ProgramOutput(status=1, stdout=json.dumps(error)), makes_stem=False)
    (line,) = check_render(build_system(tmp_path, run=programs))
    assert (line.level, "torch does not load" in line.text) == ("fault", True)
    assert "pip install" in line.remedy
    silent = Programs(ProgramOutput(status=None), makes_stem=False)
    (line,) = check_render(build_system(tmp_path, run=silent))
    assert "nothing came within" in line.text


def test_the_picture_is_one_that_ffmpeg_reads(tmp_path: Path) -> None:
    write_frames(tmp_path / "picture")
    with av.open(str(tmp_path / "picture" / "frame.%04d.png"), format="image2") as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(frames) == 25
    assert frames[0].max() > 200
    assert (frames[0] != frames[-1]).any()
