"""Keys, folders and logs of the daemon: what others may read, where stems may go, what is written down."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from selva_core.base.errors import ConfigurationError, OutputError, StorageError
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.protocol.connection import read_connection
from selva_daemon.protocol.keys import KeyPair
from selva_daemon.settings import DaemonSettings
from tests.support.daemons import JobMaker, StartServer, answer, hello, raw_dealer, wait_until

POSIX_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="mode bits are a POSIX thing")


@POSIX_ONLY
def test_keys_and_connection_are_readable_by_their_owner_only(client: Client, paths: AppPaths) -> None:
    assert paths.state.stat().st_mode & 0o777 == 0o700
    for file in (paths.connection_file, paths.keys_file):
        assert file.stat().st_mode & 0o777 == 0o600


def test_the_servers_secret_is_not_in_the_connection_file(client: Client, paths: AppPaths) -> None:
    secret = json.loads(paths.keys_file.read_text())["server"]["secret"]
    assert secret not in paths.connection_file.read_text()


@POSIX_ONLY
def test_keys_that_others_could_read_are_not_used(paths: AppPaths, start_server: StartServer) -> None:
    start_server()
    (paths.keys_file).chmod(0o644)
    other = dataclasses.replace(paths, state=paths.state)
    from selva_daemon.protocol.keys import ensure_keys  # noqa: PLC0415

    with pytest.raises(StorageError, match="read by others"):
        ensure_keys(other)
    paths.keys_file.chmod(0o600)
    assert ensure_keys(other).server.public


def test_listening_beyond_loopback_needs_output_folders_and_client_keys(
    paths: AppPaths, start_server: StartServer, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="output_folders"):
        DaemonSettings(listen="0.0.0.0")  # noqa: S104 - refused
    allowed = {"listen": "0.0.0.0", "output_folders": (str(tmp_path),)}  # noqa: S104 - refused without keys
    with pytest.raises(ConfigurationError, match="keys of the clients"):
        start_server(**allowed)
    paths.clients_folder.mkdir(parents=True)
    second = KeyPair.generate()
    (paths.clients_folder / "edit-2.json").write_text(
        json.dumps({"name": "edit-2", "public_key": second.public})
    )
    start_server(**allowed)
    connection = read_connection(paths.connection_file)
    local = replace(connection, jobs=connection.jobs.replace("0.0.0.0", "127.0.0.1"))  # noqa: S104
    with raw_dealer(local, keys=second) as dealer:
        dealer.send(hello())
        reply = answer(dealer)
    assert reply is not None
    assert reply.body["client"] == "edit-2"


def test_stems_go_below_allowed_folders_only(
    paths: AppPaths, start_server: StartServer, make_job: JobMaker, tmp_path: Path
) -> None:
    allowed, other = tmp_path / "allowed", tmp_path / "other"
    allowed.mkdir()
    other.mkdir()
    start_server(output_folders=(str(allowed),))
    with Client.connect(paths=paths) as client:
        inside = client.wait(client.submit(make_job(folder=allowed / "new" / "stems")).job_id, timeout_s=60)
        assert inside.state == "done"
        outside = client.wait(client.submit(make_job(folder=other)).job_id, timeout_s=60)
    assert isinstance(outside.error, OutputError)
    assert str(allowed) in outside.error.message
    assert not list(other.iterdir())


@POSIX_ONLY
def test_a_link_out_of_an_allowed_folder_leads_nowhere(
    paths: AppPaths, start_server: StartServer, make_job: JobMaker, tmp_path: Path
) -> None:
    allowed, other = tmp_path / "allowed", tmp_path / "other"
    allowed.mkdir()
    other.mkdir()
    (allowed / "link").symlink_to(other)
    start_server(output_folders=(str(allowed),))
    with Client.connect(paths=paths) as client:
        through_link = client.wait(client.submit(make_job(folder=allowed / "link")).job_id, timeout_s=60)
    assert isinstance(through_link.error, OutputError)
    assert not list(other.iterdir())


def test_stems_never_go_into_the_daemons_own_folders(
    client: Client, paths: AppPaths, make_job: JobMaker
) -> None:
    refused = client.wait(client.submit(make_job(folder=paths.state / "stems")).job_id, timeout_s=60)
    assert isinstance(refused.error, OutputError)
    assert "belongs to the daemon" in refused.error.message


def test_logs_hold_job_ids_and_neither_keys_nor_prompts(
    paths: AppPaths, make_job: JobMaker, start_daemon_process: Callable[[], int]
) -> None:
    start_daemon_process()
    with Client.connect(paths=paths) as client:
        job_id = client.submit(make_job(prompts=("an unmistakable prompt",))).job_id
        client.wait(job_id, timeout_s=60)
    wait_until(lambda: "done" in paths.log_file.read_text(), "the log to tell of the job")
    text = paths.log_file.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert any(line.get("job_id") == job_id for line in lines)
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    assert "unmistakable" not in text
    for pair in json.loads(paths.keys_file.read_text()).values():
        assert pair["secret"] not in text
