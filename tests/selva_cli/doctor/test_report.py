"""The report holds what helps and nothing that is private."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from selva_cli.doctor.finding import Check, Finding
from selva_cli.doctor.redaction import OUTSIDE, PROMPT, SECRET, Redaction, collect_redaction
from selva_cli.doctor.report import write_report
from selva_cli.doctor.runner import run_checks
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from tests.selva_cli.doctor.systems import build_system
from tests.support.daemons import JobMaker

HOME = Path("/home/ana")


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("saved in /home/ana/cuts/a.otio", "saved in ~/cuts/a.otio"),
        ("cannot read /mnt/client/film/reel 1.mov", f"cannot read {OUTSIDE}"),
        ("no /mnt/The Long, Secret Film (2)/reel 1.mov: it is gone", f"no {OUTSIDE}: it is gone"),
        (
            "from file:///mnt/client/film%20x.mov and file:///home/ana/a.mov",
            f"from {OUTSIDE} and file://~/a.mov",
        ),
        ("C:\\Users\\Common Files\\a b.mov is gone", f"{OUTSIDE} is gone"),
        ('{"path": "/mnt/client/film.mov"}', f'{{"path": "{OUTSIDE}"}}'),
        ("D:\\client\\film.mov is gone", f"{OUTSIDE} is gone"),
        ("\\\\server\\share\\film.mov is gone", f"{OUTSIDE} is gone"),
        ("proxy http://ana:secret99@proxy:3128", f"proxy http://{SECRET}proxy:3128"),
        ("HF token=hf_abcdefghijklmnopqrstuvwxyz", f"HF {SECRET}"),
        ("a Small Dog barking far away", f"a {PROMPT} far away"),
        ("tcp://127.0.0.1:4000 answers 3/4", "tcp://127.0.0.1:4000 answers 3/4"),
    ],
)
def test_keys_prompts_and_paths_of_others_are_replaced(text: str, redacted: str) -> None:
    redaction = Redaction(home=HOME, prompts=frozenset({"small dog barking"}))
    assert redaction.apply(text) == redacted


def test_a_report_of_a_machine_that_worked_holds_none_of_its_keys_and_prompts(
    client: Client, paths: AppPaths, make_job: JobMaker, tmp_path: Path
) -> None:
    job = client.submit(make_job(label="Secret Film reel 7"))
    client.wait(job.job_id)
    prompts = collect_redaction(paths, HOME).prompts
    assert "Secret Film reel 7" in prompts
    assert len(prompts) > 1
    lines = [
        {"level": "debug", "message": "a line for developers"},
        *({"level": "info", "message": f"failed on '{text}'"} for text in sorted(prompts)),
    ]
    paths.log_file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    keys = list(json.loads(paths.keys_file.read_text())["server"].values())
    (paths.state / "start.log").write_text(f"key {keys[0]} in /mnt/client/reel.mov\n")
    system = build_system(tmp_path, paths=paths)
    checks = [Check(name="one", group="G", run=lambda _system: [Finding(title="t", text="fine")])]
    file = tmp_path / "report.zip"
    names = write_report(file, list(run_checks(checks, system)), system)
    assert {"lines.json", "system.json", "logs/daemon.log", "logs/start.log"} <= set(names)
    with zipfile.ZipFile(file) as archive:
        everything = "\n".join(archive.read(name).decode() for name in archive.namelist())
    for private in (*prompts, *keys, "/mnt/client", "a line for developers"):
        assert private not in everything
    assert '"text": "fine"' in everything
    assert "torch" in everything
