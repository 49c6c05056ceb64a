"""The installer's decisions, on all three systems' rules; what pip does is shown by every run of the suite."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installer.scripts import load_script

environment = load_script("environment")


def test_venv_interpreter_lies_where_each_system_puts_it() -> None:
    assert environment.venv_python(Path("v"), os_name="posix") == Path("v/bin/python")
    assert environment.venv_python(Path("v"), os_name="nt") == Path("v/Scripts/python.exe")


@pytest.mark.parametrize(
    ("system", "has_nvidia", "needed"),
    [("Windows", True, True), ("Windows", False, False), ("Linux", True, False), ("Darwin", False, False)],
)
def test_only_windows_with_an_nvidia_card_needs_another_index(
    system: str, has_nvidia: bool, needed: bool
) -> None:
    assert environment.cuda_wheels_needed(system=system, has_nvidia=has_nvidia) is needed


def test_windows_with_an_nvidia_card_gets_torch_from_uv_before_pip_runs(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[tuple[str, str]] = []
    monkeypatch.setattr(environment, "_check_disk", lambda *arguments: None)
    monkeypatch.setattr(environment, "_ensure_pip", lambda *arguments: None)
    monkeypatch.setattr(
        environment,
        "_run_pip",
        lambda python, arguments, log, module="pip": runs.append((module, " ".join(arguments))),
    )
    monkeypatch.setattr(environment, "cuda_wheels_needed", lambda **_: True)
    environment.ensure_environment(installed, extras=("test",))
    assert [module for module, _ in runs] == ["pip", "uv", "pip"]
    assert "--torch-backend auto" in runs[1][1]
    assert runs[1][1].endswith("torch torchaudio")
    runs.clear()
    environment.ensure_environment(installed, extras=(), torch_index="https://example.org/whl/cu128")
    assert [module for module, _ in runs] == ["pip"]


def test_running_python_is_taken_when_it_is_new_enough() -> None:
    assert environment.find_base_python() == sys.executable


def make_command(folder: Path, name: str, text: str) -> Path:
    """A shell script that stands for a Python, or for a shim that is no Python."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    file.chmod(0o755)
    return file


def answering(version: str, executable: str) -> str:
    return f"echo {version} {shlex.quote(executable)}"


posix_only = pytest.mark.skipif(os.name == "nt", reason="shell scripts stand for interpreters")


@posix_only
@pytest.mark.parametrize("running", [(3, 8, 18), (3, 9, 6), (3, 14, 1)])
def test_a_python_that_is_not_supported_looks_for_one_that_is(
    running: tuple[int, int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_command(tmp_path, "python3.12", answering("3 12", "/opt/my python/python3.12"))
    monkeypatch.setattr(environment.sys, "version_info", running)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.find_base_python() == "/opt/my python/python3.12"


@posix_only
def test_a_shim_that_starts_nothing_is_passed_over_for_the_same_name_further_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = 'echo "pyenv: python3.12: command not found" >&2; exit 127'
    make_command(tmp_path / "shims", "python3.13", shim)
    make_command(tmp_path / "shims", "python3.12", shim)
    make_command(tmp_path / "system", "python3.12", answering("3 12", "/system/python3.12"))
    monkeypatch.setattr(environment.sys, "version_info", (3, 8, 18))
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}{os.pathsep}{tmp_path / 'system'}")
    assert environment.find_base_python() == "/system/python3.12"


@posix_only
def test_a_name_that_starts_another_version_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_command(tmp_path, "python3.12", answering("3 9", "/old/python3.9"))
    make_command(tmp_path, "python3", answering("3 11", "/good/python3.11"))
    monkeypatch.setattr(environment.sys, "version_info", (3, 8, 18))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.find_base_python() == "/good/python3.11"


def test_the_launcher_of_windows_is_asked_for_each_supported_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.sys, "version_info", (3, 8, 10))
    monkeypatch.setattr(
        environment.shutil, "which", lambda name, path=None: r"C:\py.exe" if name == "py" else None
    )
    monkeypatch.setattr(
        environment, "try_python", lambda command: r"C:\Python312\python.exe" if "-3.12" in command else None
    )
    assert environment.find_base_python(os_name="nt") == r"C:\Python312\python.exe"


def test_a_supported_python_is_believed_when_it_has_started() -> None:
    assert environment.try_python([sys.executable]) == sys.executable
    assert environment.try_python([str(Path("no", "such", "python"))]) is None


def test_a_python_without_wheels_is_taken_when_it_is_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment.sys, "version_info", (3, 14, 1))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.find_base_python(os_name="posix") == sys.executable
    assert "later than any" in capsys.readouterr().out


def test_an_old_python_without_a_newer_one_is_refused_with_what_to_install(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(environment.sys, "version_info", (3, 9, 6))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(environment.SetupError, match=r"Python 3\.10 or later is needed"):
        environment.find_base_python(os_name="posix")


def test_stamp_changes_with_what_is_to_be_installed(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("a", encoding="utf-8")
    (tmp_path / "hatch_build.py").write_text("", encoding="utf-8")
    (tmp_path / "constraints.txt").write_text("b", encoding="utf-8")
    first = environment.installation_stamp(tmp_path, ("plot",), None)
    assert environment.installation_stamp(tmp_path, ("plot",), None) == first
    assert environment.installation_stamp(tmp_path, ("plot", "test"), None) != first
    (tmp_path / "constraints.txt").write_text("c", encoding="utf-8")
    assert environment.installation_stamp(tmp_path, ("plot",), None) != first


def test_finished_environment_is_reused_without_running_pip(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("pyproject.toml", "hatch_build.py", "constraints.txt"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    python = environment.venv_python(tmp_path / ".venv")
    python.parent.mkdir(parents=True)
    python.touch()
    stamp = environment.installation_stamp(tmp_path, (), None)
    (tmp_path / ".venv" / "selva-installed.txt").write_text(stamp, encoding="utf-8")
    assert environment.ensure_environment(tmp_path, extras=()) == python
    assert "Reusing" in capsys.readouterr().out


def test_pip_failure_shows_its_last_lines_and_the_log(tmp_path: Path) -> None:
    with pytest.raises(environment.SetupError, match=r"(?s)full log: .*no such option"):
        environment._run_pip(Path(sys.executable), ["install", "--no-such-option"], tmp_path / "install.log")
    assert "no such option" in (tmp_path / "install.log").read_text(encoding="utf-8")


def test_pip_arguments_pin_versions_and_name_the_extras() -> None:
    arguments = environment.pip_arguments(Path("/p"), ("test", "plot"), "https://example.org/whl")
    assert arguments[-2:] == ["--extra-index-url", "https://example.org/whl"]
    assert f"{Path('/p')}[plot,test]" in arguments
    assert arguments[arguments.index("-c") + 1] == str(Path("/p/constraints.txt"))


@posix_only
def test_a_printed_command_runs_where_it_is_printed(tmp_path: Path) -> None:
    script = make_command(tmp_path / "Büro 犬", "selva", 'echo "$1"')
    line = environment.printed_command([script, "two words"])
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == "two words\n"
    assert environment.printed_command([r"C:\My Tools\selva", "x"], os_name="nt") == r'"C:\My Tools\selva" x'


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree whose environment was made for an earlier state of pyproject.toml."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'p'\nversion = '1'\n", encoding="utf-8")
    (tmp_path / "hatch_build.py").write_text("", encoding="utf-8")
    (tmp_path / "constraints.txt").write_text("torch==9.9.1 ; sys_platform == 'linux'\n", encoding="utf-8")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")], check=True)
    (tmp_path / ".venv" / "selva-installed.txt").write_text("earlier", encoding="utf-8")
    for name in [name for name in os.environ if name.upper().startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # where nobody listens
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path


def add_torch(root: Path, version: str) -> None:
    """What `importlib.metadata` sees of an installed torch."""
    (site,) = (root / ".venv").glob("[Ll]ib/**/site-packages")
    info = site / f"torch-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n", encoding="utf-8"
    )


def test_an_update_that_fails_leaves_the_environment_and_names_the_network(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_torch(installed, "9.9.1+cpu")
    python = environment.venv_python(installed / ".venv")
    subprocess.run([str(python), "-m", "ensurepip"], capture_output=True, check=True)
    before = environment.installed_packages(python)
    with pytest.raises(
        environment.SetupError, match=r"(?s)The network is the cause.*can be used: "
    ) as refusal:
        environment.ensure_environment(installed, extras=())
    assert "could not install" in str(refusal.value)
    assert environment.installed_packages(python) == before
    assert (installed / ".venv" / "selva-installed.txt").read_text(encoding="utf-8") == "earlier"
    assert "Updating" in capsys.readouterr().out


def test_disk_is_asked_for_only_when_torch_will_be_installed(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(installed)._replace(free=10**9)
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda path: usage)
    for name in ("_run_pip", "_ensure_pip"):
        monkeypatch.setattr(environment, name, lambda *arguments: None)
    with pytest.raises(environment.SetupError, match=r"1\.0 GB are free"):
        environment.ensure_environment(installed, extras=())
    assert (installed / ".venv" / "selva-installed.txt").read_text(encoding="utf-8") == "earlier"
    add_torch(installed, "9.9.1")
    assert environment.ensure_environment(installed, extras=()).exists()


def test_an_environment_without_pip_gets_it_and_loses_nothing(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_torch(installed, "9.9.1")
    python = environment.venv_python(installed / ".venv")
    assert "pip" not in environment.installed_packages(python)
    monkeypatch.setattr(environment, "_run_pip", lambda *arguments: None)
    environment.ensure_environment(installed, extras=())
    packages = environment.installed_packages(python)
    assert packages is not None
    assert {"pip", "torch"} <= set(packages)


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (["Collecting x", "WARNING: Retrying after NewConnectionError", "ERROR: No matching distribution"], "network"),
        (["Collecting x", "OSError: [Errno 28] No space left on device"], "disk is full"),
        (["ERROR: Could not find x (from versions: none)"], "connection"),
        (["WARNING: Retrying after NewConnectionError", "Downloading x", "ERROR: gcc failed"], None),
    ],
)  # fmt: skip
def test_the_cause_of_a_failure_is_what_came_after_the_last_step(lines: list[str], cause: str | None) -> None:
    found = environment.cause_of_failure(lines)
    assert (cause in found) if cause else found is None


@pytest.mark.parametrize(
    ("system", "torch_index", "is_enough"),
    [
        ("Linux", None, False),
        ("Darwin", None, True),
        ("Windows", "https://example.org/whl/cu128", False),
        ("Linux", "https://example.org/whl/cpu", True),
    ],
)
def test_torch_without_cuda_needs_less_disk(
    system: str,
    torch_index: str | None,
    is_enough: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=4 * 10**9)
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda path: usage)
    if is_enough:
        environment._check_disk(tmp_path, torch_index, system=system)
    else:
        with pytest.raises(environment.SetupError, match="8 GB"):
            environment._check_disk(tmp_path, torch_index, system=system)


def test_an_environment_that_does_not_start_is_put_back_when_no_new_one_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = tmp_path / ".venv"
    venv.mkdir()
    (venv / "old").touch()

    def fail(*arguments: object) -> None:
        venv.mkdir()
        raise environment.SetupError("no room")

    monkeypatch.setattr(environment, "_run_venv", fail)
    with pytest.raises(environment.SetupError, match="no room"):
        environment._create_venv(tmp_path, venv)
    assert [entry.name for entry in venv.iterdir()] == ["old"]
    monkeypatch.setattr(environment, "_run_venv", lambda *arguments: venv.mkdir())
    environment._create_venv(tmp_path, venv)
    assert [entry.name for entry in tmp_path.iterdir()] == [".venv"]
    assert not list(venv.iterdir())
