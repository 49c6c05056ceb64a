"""Other machines: authorized with a connection file of their own, listed, and revoked."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest
import zmq

from selva_cli.main import main
from selva_core.base.errors import ConfigurationError, StorageError
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.client.launch import start_daemon
from selva_daemon.protocol.connection import read_connection
from selva_daemon.protocol.errors import DaemonRefusedError, DaemonTimeoutError
from selva_daemon.server.authorized_keys import add_client, load_clients
from selva_daemon.server.client_credentials import write_client_credentials
from selva_daemon.settings import DaemonSettings
from tests.support.daemons import JobMaker, StartServer, wait_until


def configure(paths: AppPaths, **settings: object) -> None:
    paths.config.mkdir(parents=True, exist_ok=True)
    # JSON's lists, texts and numbers are TOML's as well.
    paths.settings_file.write_text(
        "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    )


def free_port() -> int:
    """The first of three ports that are free now; tests that run beside this one take others."""
    first = 42_000 + os.getpid() % 1_500 * 9
    for port in range(first, first + 2_700, 9):
        try:
            for offset in range(3):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        return port
    pytest.fail("no three free ports")


def elsewhere(paths: AppPaths, file: Path) -> AppPaths:
    """What the other machine has: the file, and folders of its own."""
    return AppPaths(
        state=paths.state / "other", cache=paths.cache, config=paths.config / "other", other_daemon=file
    )


def test_an_invited_client_renders_a_job_and_is_known_by_its_name(
    client: Client, paths: AppPaths, make_job: JobMaker, tmp_path: Path
) -> None:
    write_client_credentials(paths, "edit-2", tmp_path / "edit-2.json", address=None)
    with Client.connect(paths=elsewhere(paths, tmp_path / "edit-2.json")) as invited:
        assert invited.daemon.client == "edit-2"
        assert invited.wait(invited.submit(make_job()).job_id, timeout_s=60).state == "done"


def test_a_revoked_client_is_refused_also_while_it_is_connected_and_the_others_stay(
    client: Client, paths: AppPaths, make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("edit-2", "edit-3"):
        write_client_credentials(paths, name, tmp_path / f"{name}.json", address=None)
    left, stays = (elsewhere(paths, tmp_path / f"{name}.json") for name in ("edit-2", "edit-3"))
    with Client.connect(paths=left) as revoked, Client.connect(paths=stays) as staying:
        run(monkeypatch, "daemon", "revoke", "edit-2")
        wait_until_refused(revoked)
        assert staying.status().queue["done"] == 0
        assert client.wait(client.submit(make_job()).job_id, timeout_s=60).state == "done"
    with pytest.raises(DaemonRefusedError, match="Ask there for a new file"):
        Client.connect(paths=left, timeout_s=20)


def test_a_revoked_client_receives_no_more_events_and_the_others_do(
    client: Client, paths: AppPaths, make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_client_credentials(paths, "edit-2", tmp_path / "edit-2.json", address=None)
    connection = read_connection(tmp_path / "edit-2.json")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    listening, owners = context.socket(zmq.SUB), context.socket(zmq.SUB)
    for subscriber, keys in (
        (listening, connection.client),
        (owners, read_connection(paths.connection_file).client),
    ):
        subscriber.curve_serverkey = connection.server_key.encode()
        subscriber.curve_publickey, subscriber.curve_secretkey = keys.public.encode(), keys.secret.encode()
        subscriber.setsockopt(zmq.SUBSCRIBE, b"daemon")
        subscriber.connect(connection.events)
    try:
        wait_until(lambda: receives(client, listening) and receives(client, owners), "both to receive events")
        run(monkeypatch, "daemon", "revoke", "edit-2")
        wait_until(lambda: not receives(client, listening), "the revoked one to receive nothing")
        wait_until(lambda: receives(client, owners), "the owner to receive again")
        assert not receives(client, listening)
    finally:
        context.destroy(linger=0)


def receives(client: Client, subscriber: zmq.Socket[bytes]) -> bool:
    """Whether an event that is caused now arrives in half a second."""
    while subscriber.poll(0):
        subscriber.recv_multipart()
    client.pause()
    return bool(subscriber.poll(500))


def test_a_name_can_be_invited_again_after_it_was_revoked_and_the_old_file_stays_invalid(
    client: Client, paths: AppPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_client_credentials(paths, "edit-2", tmp_path / "old.json", address=None)
    with pytest.raises(ConfigurationError, match=r"edit-2' already; .*selva daemon revoke edit-2"):
        write_client_credentials(paths, "edit-2", tmp_path / "new.json", address=None)
    assert not (tmp_path / "new.json").exists()
    with Client.connect(paths=elsewhere(paths, tmp_path / "old.json")) as old:
        run(monkeypatch, "daemon", "revoke", "edit-2")
        write_client_credentials(paths, "edit-2", tmp_path / "new.json", address=None)
        with Client.connect(paths=elsewhere(paths, tmp_path / "new.json")) as new:
            assert new.daemon.client == "edit-2"
        wait_until_refused(old)


def test_a_file_for_fixed_ports_is_valid_before_the_first_start_and_after_the_next(
    paths: AppPaths, start_server: StartServer, tmp_path: Path
) -> None:
    port = free_port()
    configure(paths, port=port)
    invitation = write_client_credentials(paths, "edit-2", tmp_path / "edit-2.json", address=None)
    assert invitation.connection.jobs == f"tcp://127.0.0.1:{port}"
    assert [note for note in invitation.notes if "ports change" in note] == []
    start_server(port=port)
    with Client.connect(paths=elsewhere(paths, tmp_path / "edit-2.json")) as invited:
        assert invited.status().endpoints["events"] == f"tcp://127.0.0.1:{port + 2}"


def test_without_fixed_ports_and_without_a_daemon_inviting_is_refused(
    paths: AppPaths, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=r"config set port 42000, or start it first"):
        write_client_credentials(paths, "edit-2", tmp_path / "edit-2.json", address=None)
    assert load_clients(paths.clients_folder) == {}


@pytest.mark.parametrize(
    ("listen", "address", "jobs"),
    [
        ("192.0.2.7", None, "tcp://192.0.2.7:42000"),
        ("0.0.0.0", "edit-1.local", "tcp://edit-1.local:42000"),  # noqa: S104 - an address in a file
        ("2001:db8::7", None, "tcp://[2001:db8::7]:42000"),
        ("127.0.0.1", "localhost", "tcp://localhost:42000"),
    ],
)
def test_the_address_is_the_one_listened_on_or_the_one_that_was_chosen(
    paths: AppPaths, tmp_path: Path, listen: str, address: str | None, jobs: str
) -> None:
    configure(paths, listen=listen, port=42_000, output_folders=[str(tmp_path)])
    assert write_client_credentials(paths, "a", tmp_path / "a.json", address=address).connection.jobs == jobs


@pytest.mark.parametrize(
    ("listen", "address", "message"),
    [
        ("0.0.0.0", None, "say with --address"),  # noqa: S104 - refused
        ("127.0.0.1", "edit-1.local", "it cannot be reached at edit-1.local"),
    ],
)
def test_an_address_that_cannot_be_reached_is_refused(
    paths: AppPaths, tmp_path: Path, listen: str, address: str | None, message: str
) -> None:
    configure(paths, listen=listen, port=42_000, output_folders=[str(tmp_path)])
    with pytest.raises(ConfigurationError, match=message):
        write_client_credentials(paths, "a", tmp_path / "a.json", address=address)


def test_an_existing_file_is_not_overwritten_and_a_file_that_cannot_be_written_authorizes_no_key(
    paths: AppPaths, tmp_path: Path
) -> None:
    configure(paths, port=42_000)
    (tmp_path / "there.json").write_text("mine")
    with pytest.raises(ConfigurationError, match="there already; choose another with --to"):
        write_client_credentials(paths, "a", tmp_path / "there.json", address=None)
    with pytest.raises(StorageError):
        write_client_credentials(paths, "a", tmp_path / "no folder" / "a.json", address=None)
    assert load_clients(paths.clients_folder) == {}
    assert (tmp_path / "there.json").read_text() == "mine"


@pytest.mark.parametrize("name", ["owner", "Edit 2", "", "../a", "x" * 33])
def test_names_that_are_not_allowed_are_refused(paths: AppPaths, name: str) -> None:
    with pytest.raises(ConfigurationError, match="up to 32 of a-z"):
        add_client(paths.clients_folder, name)


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits are POSIX; Windows has an access list")
def test_the_file_is_readable_by_its_owner_only_and_its_secret_is_in_no_other(
    paths: AppPaths, tmp_path: Path
) -> None:
    configure(paths, port=42_000)
    file = tmp_path / "a.json"
    secret = write_client_credentials(paths, "a", file, address=None).connection.client.secret
    assert file.stat().st_mode & 0o777 == 0o600
    others = [path for path in tmp_path.rglob("*.json") if path != file and secret in path.read_text()]
    assert others == []


def test_where_another_daemon_is_named_none_is_started(paths: AppPaths, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unset it to run one here"):
        start_daemon(elsewhere(paths, tmp_path / "a.json"))


def test_another_daemon_is_named_by_the_environment(
    paths: AppPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert AppPaths.find().connection_file == paths.own_connection_file
    monkeypatch.setenv("SELVA_CONNECTION_FILE", str(tmp_path / "a.json"))
    assert AppPaths.find().connection_file == tmp_path / "a.json"


def test_a_daemon_elsewhere_that_does_not_answer_is_a_time_out(paths: AppPaths, tmp_path: Path) -> None:
    configure(paths, port=free_port())
    write_client_credentials(paths, "a", tmp_path / "a.json", address=None)
    with pytest.raises(DaemonTimeoutError):
        Client.connect(paths=elsewhere(paths, tmp_path / "a.json"), timeout_s=0.5)


def test_a_taken_port_and_a_foreign_address_are_refused_by_name(
    start_server: StartServer, paths: AppPaths, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = min(taken.getsockname()[1], 65_533)
        with pytest.raises(ConfigurationError, match=f"cannot listen on tcp://127.0.0.1:{port}"):
            start_server(port=port)
    add_client(paths.clients_folder, "a")
    with pytest.raises(ConfigurationError, match=r"cannot listen on tcp://192\.0\.2\.7"):
        start_server(listen="192.0.2.7", output_folders=(str(tmp_path),))
    start_server()


def test_the_commands_invite_list_and_revoke(
    client: Client,
    paths: AppPaths,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    run(monkeypatch, "daemon", "invite", "edit-2")
    printed = capsys.readouterr().out
    assert "SELVA_CONNECTION_FILE=" in printed
    assert "ports change" in printed
    assert "on this machine or through a tunnel" in printed
    assert read_connection(tmp_path / "selva-edit-2.json").client.public in load_clients(paths.clients_folder)
    run(monkeypatch, "daemon", "clients", "--json")
    [listed] = json.loads(capsys.readouterr().out)
    assert listed["client"] == "edit-2"
    run(monkeypatch, "daemon", "revoke", "edit-2")
    assert "no access any more" in capsys.readouterr().out
    run(monkeypatch, "daemon", "clients")
    assert "nobody was invited" in capsys.readouterr().out
    assert run(monkeypatch, "daemon", "revoke", "edit-2") == 1
    assert capsys.readouterr().err == "selva: there is no client 'edit-2'; known are: none\n"


def test_a_damaged_key_file_is_logged_and_the_other_clients_stay_authorized(
    client: Client, paths: AppPaths, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_client_credentials(paths, "edit-2", tmp_path / "edit-2.json", address=None)
    with Client.connect(paths=elsewhere(paths, tmp_path / "edit-2.json")) as invited:
        (paths.clients_folder / "bad.json").write_text("{")
        wait_until(lambda: "bad.json is not a client key" in caplog.text, "the fault to be noticed")
        assert invited.status().version


def wait_until_refused(client: Client) -> None:
    def is_refused() -> bool:
        try:
            client.status()
        except DaemonRefusedError as error:
            assert "access of this key was taken away" in error.message  # noqa: PT017 - it is waited for
            return True
        return False

    wait_until(is_refused, "the client to be refused")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """`selva ARGUMENTS` in this process; its exit status."""
    monkeypatch.setattr(sys, "argv", ["selva", *arguments])
    try:
        main()
    except SystemExit as exit_:
        return int(exit_.code or 0)
    return 0


def test_the_three_ports_follow_each_other() -> None:
    assert DaemonSettings(port=42_000).ports == (42_000, 42_001, 42_002)
    assert DaemonSettings().ports == (0, 0, 0)
