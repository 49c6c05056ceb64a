"""The two clients: what they say when there is no daemon, and that they do the same."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
import zmq
from msgspec.structs import replace

from selva_core.base.paths import AppPaths
from selva_daemon.client.async_client import AsyncClient
from selva_daemon.client.client import Client, run_steps
from selva_daemon.client.launch import start_daemon
from selva_daemon.client.transport import ClientTransport, ProtocolSteps
from selva_daemon.protocol import requests
from selva_daemon.protocol.connection import Connection, read_connection
from selva_daemon.protocol.envelope import Envelope, pack, parse
from selva_daemon.protocol.errors import (
    DaemonRefusedError,
    DaemonStartError,
    DaemonTimeoutError,
    DaemonUnavailableError,
    InvalidRequestError,
    ProtocolVersionError,
    UnknownJobError,
    from_wire,
)
from selva_daemon.protocol.keys import KeyPair, ensure_keys
from selva_daemon.protocol.requests import Request
from tests.support.daemons import JobMaker, StartDaemon, end_process_tree, kill_hard, raw_dealer, wait_until


def test_without_a_daemon_the_client_says_how_to_start_one(paths: AppPaths) -> None:
    with pytest.raises(DaemonUnavailableError, match="selva daemon start"):
        Client.connect(paths=paths)


def test_a_connection_file_left_by_a_crash_is_no_daemon(client: Client, paths: AppPaths) -> None:
    connection = read_connection(paths.connection_file)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    replace(connection, pid=ended.pid).write(paths.connection_file)
    with pytest.raises(DaemonUnavailableError, match="is gone"):
        Client.connect(paths=paths)
    connection.write(paths.connection_file)


@pytest.mark.parametrize(("dies", "error"), [(True, DaemonUnavailableError), (False, DaemonRefusedError)])
def test_a_daemon_that_is_killed_while_a_client_connects_is_gone_and_refuses_nobody(
    dies: bool, error: type[Exception], paths: AppPaths
) -> None:
    """Its handshake fails as with wrong keys; a client that took it for a refusal would not start another daemon."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with process, socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        keys = KeyPair.generate()
        paths.state.mkdir(mode=0o700, parents=True)
        Connection(
            protocol=1,
            version="0.1.0",
            instance="i",
            pid=process.pid,
            jobs=endpoint,
            control=endpoint,
            events=endpoint,
            server_key=keys.public,
            client=keys,
        ).write(paths.connection_file)

        def break_handshake() -> None:
            accepted, _ = listener.accept()
            if dies:
                kill_hard(process.pid)
            accepted.close()

        thread = threading.Thread(target=break_handshake)
        thread.start()
        with pytest.raises(error):
            Client.connect(paths=paths, timeout_s=1)
        thread.join(30)
        process.kill()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"protocol": "one"}'])
def test_a_damaged_connection_file_is_no_daemon(content: bytes, paths: AppPaths) -> None:
    paths.state.mkdir(parents=True)
    paths.connection_file.write_bytes(content)
    with pytest.raises(DaemonUnavailableError, match=r"connection\.json"):
        Client.connect(paths=paths)


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits say nothing there")
def test_a_connection_file_that_others_can_read_is_refused_in_words(client: Client, paths: AppPaths) -> None:
    paths.connection_file.chmod(0o640)
    with pytest.raises(DaemonRefusedError, match=r"mode 0640.*chmod 600"):
        Client.connect(paths=paths)
    paths.connection_file.chmod(0o600)
    Client.connect(paths=paths).close()


def test_a_daemon_that_does_not_answer_is_a_time_out_that_names_the_request(
    client: Client, paths: AppPaths
) -> None:
    connection = read_connection(paths.connection_file)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    deaf = context.socket(zmq.ROUTER)
    deaf.curve_server = True
    deaf.curve_secretkey = ensure_keys(paths).server.secret.encode()
    try:
        port = deaf.bind_to_random_port("tcp://127.0.0.1")
        replace(connection, jobs=f"tcp://127.0.0.1:{port}").write(paths.connection_file)
        with pytest.raises(DaemonTimeoutError, match=r"'hello' in 0\.7 s"):
            Client.connect(paths=paths, timeout_s=0.7)
    finally:
        connection.write(paths.connection_file)
        context.destroy(linger=0)


def test_a_request_without_a_connection_to_send_on_times_out_and_is_sent_when_there_is_one(
    client: Client, paths: AppPaths
) -> None:
    """A daemon that refuses the handshake takes the connection of the socket away, and sending on it waits for ever."""
    transport = ClientTransport(paths.connection_file)
    run_steps(transport.open(timeout_s=30))
    endpoint = read_connection(paths.connection_file).jobs
    try:
        steps = transport.exchange(requests.hello("jobs"), timeout_s=30)
        next(steps).sockets[0].disconnect(endpoint)
        steps.close()
        with pytest.raises(DaemonTimeoutError, match="did not answer 'hello'"):
            run_steps(transport.exchange(requests.hello("jobs"), timeout_s=0.2))
        steps = transport.exchange(requests.hello("jobs"), timeout_s=30)
        next(steps).sockets[0].connect(endpoint)
        steps.send([])
        assert run_steps(steps).client == "owner"
    finally:
        transport.close()


def test_waiting_has_a_limit_and_the_job_goes_on(client: Client, make_job: JobMaker) -> None:
    client.pause()
    job_id = client.submit(make_job()).job_id
    with pytest.raises(DaemonTimeoutError, match="go on in the daemon"):
        client.wait(job_id, timeout_s=0.2)
    client.resume()
    assert client.wait(job_id, timeout_s=60).state == "done"


@pytest.mark.skipif(sys.platform == "win32", reason="processes are suspended otherwise there")
def test_a_watch_outlasts_a_daemon_that_is_silent_and_its_job_is_done(
    paths: AppPaths,
    start_daemon_process: StartDaemon,
    make_job: JobMaker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("selva_daemon.client.job_watch.REPLY_TIMEOUT_S", 0.2)
    monkeypatch.setattr("selva_daemon.client.job_watch.POLL_AFTER_S", 0.1)
    process = psutil.Process(start_daemon_process())
    silences: list[str] = []
    exchange = ClientTransport.exchange

    def counted(
        transport: ClientTransport, request: Request[object], *, timeout_s: float
    ) -> ProtocolSteps[object]:
        try:
            return (yield from exchange(transport, request, timeout_s=timeout_s))
        except DaemonTimeoutError:
            silences.append(request.type)
            if len(silences) == 3:
                process.resume()
            raise

    monkeypatch.setattr(ClientTransport, "exchange", counted)
    with Client.connect(paths=paths) as client:
        client.pause()
        job_id = client.submit(make_job()).job_id
        statuses = client.watch([job_id], timeout_s=60)
        next(statuses)
        client.resume()
        process.suspend()
        states = [status.state for status in statuses]
        assert states[-1] == "done"
    assert silences == ["job", "job", "job"]


def test_watching_an_unknown_job_raises(client: Client) -> None:
    with pytest.raises(UnknownJobError):
        list(client.events("nonesuch"))


def test_watching_several_jobs_ends_when_all_are_finished(client: Client, make_job: JobMaker) -> None:
    job_ids = [client.submit(make_job(seed=seed)).job_id for seed in range(3)]
    finished = [status.job_id for status in client.watch(job_ids, timeout_s=60) if status.is_finished]
    assert finished == job_ids


def test_a_client_of_another_protocol_gets_an_error_that_says_so(client: Client, paths: AppPaths) -> None:
    connection = read_connection(paths.connection_file)
    with raw_dealer(connection, keys=connection.client) as dealer:
        dealer.send(pack(Envelope(type="hello", request_id="1", session="s", protocol=2)))
        assert dealer.poll(5_000)
        error = from_wire(parse(dealer.recv_multipart()).body)
    assert isinstance(error, ProtocolVersionError)
    assert "Update" in error.message


def test_a_client_finds_the_daemon_that_was_restarted(
    paths: AppPaths, start_daemon_process: StartDaemon
) -> None:
    first = start_daemon_process()
    with Client.connect(paths=paths) as client:
        end_process_tree(first)
        second = start_daemon_process()
        assert client.status().processes[0].pid == second


def test_connect_starts_a_daemon_when_asked_and_leaves_it_running(paths: AppPaths) -> None:
    with Client.connect(paths=paths, start_if_needed=True) as client:
        pid = client.status().processes[0].pid
        assert pid is not None
    try:
        with Client.connect(paths=paths) as again:
            assert again.status().processes[0].pid == pid
        assert start_daemon(paths) == pid
    finally:
        end_process_tree(pid)


def test_the_callers_modules_and_libraries_do_not_reach_the_daemon(
    paths: AppPaths, tmp_path: Path, start_daemon_process: StartDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "studio").mkdir()
    (tmp_path / "studio" / "zmq.py").write_text("raise SystemExit('the module of the studio')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "studio"))
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "studio"))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path / "studio"))
    environment = psutil.Process(start_daemon_process()).environ()
    assert not environment.keys() & {"PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH"}
    assert environment["SELVA_STATE_DIR"] == str(paths.state)


def test_a_daemon_that_cannot_start_is_an_error_with_what_it_printed(paths: AppPaths) -> None:
    paths.config.mkdir(parents=True)
    paths.settings_file.write_text("keep_alive_s = -5\n")
    with pytest.raises(DaemonStartError, match=r"keep_alive_s is -1 \(for ever\) or 0 and more"):
        Client.connect(paths=paths, start_if_needed=True)


def test_ten_lines_make_a_stem(client: Client, make_job: JobMaker) -> None:
    """The example in the client's docstring."""
    submitted = client.submit(make_job())
    stages = [status.stage for status in client.events(submitted.job_id)]
    assert "sampling" in stages
    assert all(Path(stem.file).is_file() for stem in client.wait(submitted.job_id).raise_for_state().stems)


def test_the_asynchronous_client_renders_a_job_from_start_to_end(
    client: Client, paths: AppPaths, make_job: JobMaker
) -> None:
    async def whole_way() -> None:
        async with await AsyncClient.connect(paths=paths) as twin:
            submitted = await twin.submit(make_job())
            states = [status.state async for status in twin.events(submitted.job_id, timeout_s=60)]
            assert states[-1] == "done"
            assert (await twin.wait(submitted.job_id)).stems
            with pytest.raises(InvalidRequestError):
                await twin.submit(replace(make_job(), label=""))

    asyncio.run(whole_way())


def test_tasks_share_an_asynchronous_client(client: Client, paths: AppPaths, make_job: JobMaker) -> None:
    async def many() -> None:
        async with await AsyncClient.connect(paths=paths) as twin:
            submitted = await asyncio.gather(*(twin.submit(make_job(seed=seed)) for seed in range(8)))
            done = await asyncio.gather(*(twin.wait(each.job_id, timeout_s=60) for each in submitted))
            assert [status.job_id for status in done] == [each.job_id for each in submitted]
            assert {status.state for status in done} == {"done"}

    asyncio.run(many())


def test_a_cancelled_task_leaves_the_asynchronous_client_usable(
    client: Client, paths: AppPaths, make_job: JobMaker
) -> None:
    async def impatient() -> None:
        async with await AsyncClient.connect(paths=paths) as twin:
            await twin.pause()
            job_id = (await twin.submit(make_job())).job_id
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(twin.wait(job_id), timeout=0.2)
            assert (await twin.job(job_id)).state == "queued"

    asyncio.run(impatient())


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    def face(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in vars(kind).items()
            if inspect.isfunction(method) and not name.startswith("_")
        }

    assert face(Client) == face(AsyncClient)


@pytest.mark.parametrize(
    "module",
    ["selva_daemon.client.client", "selva_daemon.client.async_client", "selva_daemon.server.service"],
)
def test_importing_a_client_or_the_server_loads_neither_torch_nor_a_media_library_nor_numpy(
    module: str,
) -> None:
    program = f"import {module}, sys; print({{'torch', 'av', 'numpy', 'soundfile'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_second_start_while_the_first_is_starting_ends_with_one_daemon(paths: AppPaths) -> None:
    program = (
        "from selva_daemon.client.launch import start_daemon; from selva_core.base.paths import AppPaths\n"
        "print(start_daemon(AppPaths.find()))"
    )
    starters = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    pids = {int(starter.communicate(timeout=60)[0]) for starter in starters}
    try:
        assert len(pids) == 1
        wait_until(lambda: daemons_of(paths) == pids, "the end of the starts that came second")
    finally:
        for pid in pids | daemons_of(paths):
            end_process_tree(pid)


def daemons_of(paths: AppPaths) -> set[int]:
    """The process ids of all daemons that were started for this state folder."""
    found = set()
    for process in psutil.process_iter(["pid", "cmdline"]):
        with contextlib.suppress(psutil.Error):
            is_daemon = "selva_daemon.server.service" in (process.info["cmdline"] or [])
            if is_daemon and process.environ().get("SELVA_STATE_DIR") == str(paths.state):
                found.add(process.pid)
    return found


def test_model_is_loaded_before_a_job_asks_for_it(client: Client) -> None:
    assert client.prepare("selva-echo")
    wait_until(lambda: [model.model for model in client.status().models] == ["selva-echo"], "the model")


def test_model_that_does_not_exist_is_not_prepared(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match="selva-nan"):
        client.prepare("selva-nan")


def test_nothing_is_prepared_while_the_device_is_released(client: Client) -> None:
    client.release_device()
    assert not client.prepare("selva-echo")
    client.resume()
    assert client.prepare("selva-echo")
