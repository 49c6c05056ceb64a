"""Fetching weights: from a real HTTP server that answers as the hub does, on loopback."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from selva_core.base.errors import DownloadError, OutputError, WeightsMismatchError
from selva_core.models.catalog import MODELS, Model, ModelFile, installed_files
from selva_core.models.pull import PullProgress, load_pins, pull_model

CONTENT = b"weights " * 1000


def model_with(*files: ModelFile) -> Model:
    roles = ("generator", "vae", "clip_text")
    return Model(
        model_id="m", knows="", licences=("x",), spec=None, files=dict(zip(roles, files, strict=False))
    )


def published(name: str, content: bytes = CONTENT, *, with_md5: bool = True) -> ModelFile:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest() if with_md5 else None
    return ModelFile(repository="lab/net", path=f"weights/{name}", size_bytes=len(content), md5=md5)


@dataclass
class FakeHub:
    """Serves files in place of the hub, for tests that need no network."""

    contents: dict[str, bytes]
    requested: list[str] = field(default_factory=list)

    def fetch(self, file: ModelFile, folder: Path) -> Path:
        self.requested.append(file.path)
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.contents[file.path])
        return path


def test_pulled_files_are_found_by_the_model(tmp_path: Path) -> None:
    hub = FakeHub({"weights/a.pth": CONTENT, "weights/b.pth": b"B" * 500})
    model = model_with(published("a.pth"), published("b.pth", b"B" * 500, with_md5=False))
    seen: list[PullProgress] = []
    added = pull_model(model, tmp_path, on_progress=seen.append, fetch=hub.fetch)
    assert [path.read_bytes() for path in added] == [CONTENT, b"B" * 500]
    assert set(installed_files(model, tmp_path)) == {"generator", "vae"}
    assert [(p.stage, p.file_index) for p in seen] == [
        ("download", 0),
        ("verify", 0),
        ("download", 1),
        ("verify", 1),
    ]
    assert not (tmp_path / ".incoming").exists()


def test_installed_files_are_not_fetched_again(tmp_path: Path) -> None:
    hub = FakeHub({"weights/a.pth": CONTENT})
    model = model_with(published("a.pth"))
    pull_model(model, tmp_path, on_progress=lambda _: None, fetch=hub.fetch)
    assert pull_model(model, tmp_path, on_progress=lambda _: None, fetch=hub.fetch) == []
    assert hub.requested == ["weights/a.pth"]


@pytest.mark.parametrize(
    ("content", "with_md5", "complaint"),
    [(b"X" * len(CONTENT), True, "MD5"), (b"<html>404</html>", False, "16 bytes where about 8000")],
)
def test_a_file_that_is_not_the_published_one_is_refused_and_leaves_nothing(
    tmp_path: Path, content: bytes, with_md5: bool, complaint: str
) -> None:
    model = model_with(published("a.pth", with_md5=with_md5))
    with pytest.raises(WeightsMismatchError, match=complaint):
        pull_model(
            model, tmp_path, on_progress=lambda _: None, fetch=FakeHub({"weights/a.pth": content}).fetch
        )
    assert installed_files(model, tmp_path) == {}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_without_a_published_hash_is_pinned_by_its_first_download(tmp_path: Path) -> None:
    model = model_with(published("a.pth", with_md5=False))
    (path,) = pull_model(
        model, tmp_path, on_progress=lambda _: None, fetch=FakeHub({"weights/a.pth": CONTENT}).fetch
    )
    assert load_pins(tmp_path) == {"lab--net/weights/a.pth": hashlib.sha256(CONTENT).hexdigest()}
    path.unlink()
    changed = FakeHub({"weights/a.pth": CONTENT[:-1] + b"!"})
    with pytest.raises(WeightsMismatchError, match="first download"):
        pull_model(model, tmp_path, on_progress=lambda _: None, fetch=changed.fetch)
    same = FakeHub({"weights/a.pth": CONTENT})
    assert pull_model(model, tmp_path, on_progress=lambda _: None, fetch=same.fetch) == [path]


def test_a_full_disk_is_reported_before_anything_is_fetched(tmp_path: Path) -> None:
    file = ModelFile(repository="lab/net", path="weights/big.pth", size_bytes=10**18)
    hub = FakeHub({})
    with pytest.raises(OutputError, match="SELVA_MODELS_DIR"):
        pull_model(model_with(file), tmp_path, on_progress=lambda _: None, fetch=hub.fetch)
    assert hub.requested == []


def test_only_the_text_tower_of_clip_is_stored(tmp_path: Path) -> None:
    source = tmp_path / "clip.bin"
    torch.save({"visual.conv.weight": torch.zeros(4), "ln_final.weight": torch.arange(3.0)}, source)
    content = source.read_bytes()
    file = ModelFile(
        repository="lab/clip", path="clip.bin", size_bytes=len(content), stored_name="text.safetensors"
    )
    models_dir = tmp_path / "models"
    (path,) = pull_model(
        model_with(file), models_dir, on_progress=lambda _: None, fetch=FakeHub({"clip.bin": content}).fetch
    )
    assert path == models_dir / "lab--clip" / "text.safetensors"
    assert list(load_file(path)) == ["ln_final.weight"]


def test_every_published_model_has_a_repository_for_each_file() -> None:
    for model in MODELS.values():
        if not model.is_bundled:
            assert all(file.repository and file.size_bytes > 1_000_000 for file in model.files.values())
            assert model.licences


class _Hub(http.server.BaseHTTPRequestHandler):
    """Answers as the hub does: HEAD gives size, ETag and commit, GET honours a range."""

    content = CONTENT
    missing = False

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        body = self.content
        if self.missing or not self.path.startswith("/lab/net/resolve/main/weights/a.pth"):
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(self.headers["Range"].split("=")[1].split("-")[0]) if "Range" in self.headers else 0
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        if with_body:
            self.wfile.write(body[start:])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def hub() -> Iterator[type[_Hub]]:
    handler = type("Handler", (_Hub,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    handler.address = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[attr-defined]
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def fetch_in_a_process(hub: type[_Hub], folder: Path) -> subprocess.CompletedProcess[str]:
    """The hub's address is read when its client is imported, so a fresh interpreter asks."""
    program = (
        "import json, sys\nfrom pathlib import Path\nfrom selva_core.models.catalog import ModelFile\n"
        "from selva_core.models.pull import fetch_from_hub\nfrom selva_core.base.errors import DownloadError\n"
        "file = ModelFile(repository='lab/net', path='weights/a.pth', size_bytes=8000)\n"
        "try:\n    print(json.dumps(str(fetch_from_hub(file, Path(sys.argv[1])))))\n"
        "except DownloadError as exc:\n    sys.exit(f'{exc.code}: {exc}')\n"
    )
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.address,  # type: ignore[attr-defined]
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HOME": str(folder / "home"),
        "NO_PROXY": "127.0.0.1",
    }
    return subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=120,
    )


def test_a_file_comes_over_http_as_the_hub_serves_it(hub: type[_Hub], tmp_path: Path) -> None:
    done = fetch_in_a_process(hub, tmp_path)
    assert done.returncode == 0, done.stderr
    path = Path(json.loads(done.stdout.splitlines()[-1]))
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(tmp_path)


def test_a_file_that_the_hub_does_not_have_is_one_clear_error(hub: type[_Hub], tmp_path: Path) -> None:
    hub.missing = True
    done = fetch_in_a_process(hub, tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"{DownloadError.code}: weights/a.pth of lab/net could not be fetched"
    )
