"""Files that version 0.1.0 has written are read by this one: connection, keys, clients, settings, caches.

They lie in `tests/data/daemon_0_1_0`; the keys in them were made for this and open nothing. Databases: jobs/test_migrations.py.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import selva_core
from selva_core.base.paths import AppPaths
from selva_core.engine import StemRequest
from selva_daemon.protocol.connection import Connection, read_connection
from selva_daemon.protocol.job import parse_job
from selva_daemon.protocol.keys import ensure_keys
from selva_daemon.server.authorized_keys import load_clients
from selva_daemon.settings import load_settings
from selva_daemon.worker.blob_store import BlobStore
from selva_daemon.worker.content_key import file_key, waveform_key
from selva_daemon.worker.media_identity import MediaIdentity
from selva_daemon.worker.stem_cache import StemCache

FILES = Path(__file__).parents[1] / "data" / "daemon_0_1_0"
KEYS: dict[str, dict[str, Any]] = json.loads((FILES / "content_keys.json").read_text(encoding="ascii"))


@pytest.fixture
def connection_file(tmp_path: Path) -> Path:
    """As the daemon leaves it: for its owner only. A version control system keeps no such mode."""
    file = tmp_path / "earlier.json"
    shutil.copy(FILES / "connection.json", file)
    file.chmod(0o600)
    return file


def test_a_connection_file_is_read_and_written_with_the_same_bytes(
    connection_file: Path, tmp_path: Path
) -> None:
    connection = read_connection(connection_file)
    assert (connection.pid, connection.jobs) == (4242, "tcp://127.0.0.1:40213")
    connection.write(tmp_path / "connection.json")
    assert (tmp_path / "connection.json").read_bytes() == (FILES / "connection.json").read_bytes()


def test_a_connection_file_of_a_later_version_may_say_more(tmp_path: Path) -> None:
    values = json.loads((FILES / "connection.json").read_text(encoding="utf-8"))
    later = tmp_path / "connection.json"
    later.write_text(json.dumps({**values, "region": "here"}))
    later.chmod(0o600)
    assert isinstance(read_connection(later), Connection)


def test_keys_are_read_and_written_with_the_same_bytes(paths: AppPaths, connection_file: Path) -> None:
    paths.state.mkdir(parents=True)
    shutil.copy(FILES / "keys.json", paths.keys_file)
    paths.keys_file.chmod(0o600)
    keys = ensure_keys(paths)
    assert keys.owner == read_connection(connection_file).client
    assert paths.keys_file.read_bytes() == (FILES / "keys.json").read_bytes()


def test_authorized_clients_stay_authorized() -> None:
    assert list(load_clients(FILES / "config" / "clients").values()) == ["suite-2"]


def test_settings_are_read_under_their_earlier_names() -> None:
    settings = load_settings(FILES / "config" / "daemon.json", environment={})
    assert (settings.device, settings.keep_alive_s, settings.log_level) == ("cpu", 60.0, "debug")
    assert (settings.max_batch_jobs, settings.max_queued_jobs) == (3, 200)
    assert (settings.stem_cache_bytes, settings.output_folders) == (1_000_000_000, ("/srv/stems",))


@pytest.mark.skipif(sys.platform == "win32", reason="recorded with POSIX paths")
@pytest.mark.parametrize("name", KEYS)
def test_content_has_the_key_it_had(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every cache would be empty, and a stem that is rendered again would get another name."""
    monkeypatch.setattr(selva_core, "__version__", "0.0.0")  # part of the key; recorded so
    job = parse_job(KEYS[name]["request"])
    cue, take = job.cues[0], job.cues[0].takes[0]
    key = waveform_key(
        identity=MediaIdentity(size_bytes=1234, modified_ns=0, sha256="ab" * 32),
        media=job.media,
        request=StemRequest(prompt=cue.prompt, negative_prompt=cue.negative_prompt, seed=take.seed),
        model=job.model,
        weights_sha256="cd" * 32,
        sampling=job.sampling,
    )
    assert key == KEYS[name]["waveform_key"]
    signer = None if job.output.signer is None else "ef" * 32
    provenance = {**job.provenance, "track": cue.track}
    assert file_key(key, output=job.output, provenance=provenance, signer=signer) == KEYS[name]["file_key"]


def test_cached_sound_is_found(tmp_path: Path) -> None:
    shutil.copytree(FILES / "cache", tmp_path / "cache")
    cache = StemCache(BlobStore(tmp_path / "cache" / "stems", max_bytes=1 << 20))
    waveform = cache.get(KEYS["plain"]["waveform_key"])
    assert waveform is not None
    assert (waveform.sample_rate_hz, waveform.warnings) == (16_000, ("far from training",))
    np.testing.assert_array_equal(waveform.samples, np.linspace(-1, 1, 16, dtype=np.float32))
    features = BlobStore(tmp_path / "cache" / "features", max_bytes=1 << 20)
    assert features.get("12" * 32) == b"what the encoder saw"
