"""`selva cache`."""

from __future__ import annotations

from selva_daemon.client.client import Client
from tests.selva_cli.command_line import RunCommand, read_json
from tests.support.daemons import JobMaker


def test_the_caches_are_shown_and_emptied(client: Client, make_job: JobMaker, selva: RunCommand) -> None:
    client.wait(client.submit(make_job()).job_id, timeout_s=60)
    assert read_json(selva("cache", "info", "--json"))["stems"]["entries"] == 1
    assert "stems" in selva("cache", "info")[1]
    assert read_json(selva("cache", "clear", "--json"))["freed_bytes"]["stems"] > 0
    assert read_json(selva("cache", "info", "--json"))["stems"]["entries"] == 0
