"""Who is let in: the browser that opened the link, from the panel's own page. Every refusal has its accepting twin."""

from __future__ import annotations

import pytest

from tests.selva_panel.server.panel_process import Panel, client_frame, read_frame

ROW = {"id": "row1", "name": "Dog", "prompt": "small dog barking"}


def test_the_browser_that_opened_the_link_is_let_in(panel: Panel) -> None:
    assert panel.state()["cut"]["name"] == "Example cut"


@pytest.mark.parametrize("cookie", [None, "selva_panel=x", "selva_panel_{port}=guess", "selva_panel_{port}="])
@pytest.mark.parametrize("path", ["/", "/api/state", "/api/media/x", "/index.html"])
def test_without_the_cookie_nothing_is_answered(panel: Panel, path: str, cookie: str | None) -> None:
    sent = None if cookie is None else cookie.format(port=panel.port)
    reply = panel.get(path, Cookie=sent)
    assert reply.status == 403
    assert b"Example" not in reply.body


def test_a_cookie_of_another_program_beside_ours_does_no_harm(panel: Panel) -> None:
    assert panel.get("/api/state", Cookie=f'a="b; {panel.cookie}; c[]={{}}').status == 200


def test_the_link_works_once(panel: Panel) -> None:
    path = panel.url.partition(panel.host)[2]
    assert panel.get(path, Cookie=None).status == 403
    assert panel.get("/open?token=", Cookie=None).status == 403
    assert panel.get("/open", Cookie=None).status == 403


def test_a_tab_that_the_browser_restores_with_a_used_link_shows_the_panel(panel: Panel) -> None:
    path = panel.url.partition(panel.host)[2]
    reply = panel.get(path)
    assert (reply.status, reply.headers["location"]) == (303, "/")
    assert panel.get(path, Cookie=f"selva_panel_{panel.port}=guess").status == 403


def test_only_names_of_this_machine_are_answered(panel: Panel) -> None:
    """A page of another site that has its name point to 127.0.0.1 (DNS rebinding) sends that name."""
    assert panel.get("/api/state", Host=f"localhost:{panel.port}").status == 200
    for host in (
        f"evil.example:{panel.port}",
        "127.0.0.1",
        f"127.0.0.1:{panel.port + 1}",
        f"[::1]:{panel.port}",
    ):
        assert panel.get("/api/state", Host=host).status == 403, host


def test_changes_come_from_the_panels_own_page(panel: Panel) -> None:
    def put(origin: str | None) -> int:
        revision = panel.state()["revision"]
        return panel.request(
            "PUT", "/api/rows", {"revision": revision, "rows": [ROW]}, headers={"Origin": origin}
        ).status

    assert put(f"http://{panel.host}") == 200
    for origin in (
        None,
        "null",
        "http://evil.example",
        f"https://{panel.host}",
        f"http://localhost:{panel.port}",
    ):
        assert put(origin) == 403, origin


def test_a_page_on_another_port_of_this_machine_reads_nothing(panel: Panel) -> None:
    assert panel.get("/api/state", Sec_Fetch_Site="same-origin").status == 200
    for site in ("same-site", "cross-site"):
        assert panel.get("/api/state", Sec_Fetch_Site=site).status == 403
    assert panel.get("/api/state", Origin="http://127.0.0.1:1").status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/../../pyproject.toml", "/assets/../../__init__.py", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd",
        "/api/media/..%2f..%2fexamples%2fyard.mp4", "/api/media//etc/passwd", "/strings/en.json%00.js", "//etc/passwd",
        "/api/clips/..%5c..%5cx/strip?width=96&count=1",
    ],
)  # fmt: skip
def test_no_path_of_a_request_leads_to_a_file(panel: Panel, path: str) -> None:
    assert panel.get(path).status in (404, 405)


def test_the_sockets_upgrade_is_checked_like_a_change(panel: Panel) -> None:
    status, connection = panel.upgrade()
    connection.close()
    assert status == 101
    for changes in (
        {"Cookie": None},
        {"Origin": None},
        {"Origin": "http://evil.example"},
        {"Host": f"evil.example:{panel.port}"},
    ):
        status, connection = panel.upgrade(**changes)
        connection.close()
        assert status == 403, changes


def test_a_frame_that_is_too_large_closes_its_socket_only(panel: Panel) -> None:
    status, connection = panel.upgrade()
    assert status == 101
    connection.sendall(client_frame(b"a" * (64 * 1024 + 1)))
    opcode, payload = read_frame(connection)
    connection.close()
    assert (opcode, int.from_bytes(payload[:2], "big")) == (8, 1009)
    assert panel.state()["revision"] >= 0


def test_a_frame_of_the_size_that_is_allowed_is_taken_and_ignored(panel: Panel) -> None:
    with panel.events() as events:
        status, other = panel.upgrade()
        other.sendall(client_frame(b"a" * 60_000))
        revision = panel.state()["revision"]
        panel.request("PUT", "/api/rows", {"revision": revision, "rows": []})
        assert next(events)["type"] == "patch"
        assert read_frame(other)[0] == 1
        other.close()
        assert status == 101


def test_a_body_has_a_limit(panel: Panel) -> None:
    small, large = b" " * 1000, b" " * (1 << 20)
    body = b'{"revision": %d, "rows": []}' % panel.state()["revision"]
    assert panel.request("PUT", "/api/rows", raw=small + body).status == 200
    assert panel.request("PUT", "/api/rows", raw=large + body).status == 413


def test_a_body_without_a_length_has_the_same_limit(panel: Panel) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    reply = panel.request(
        "PUT", "/api/rows", raw=chunk * 20 + b"0\r\n\r\n",
        headers={"Transfer-Encoding": "chunked", "Content-Length": None},
    )  # fmt: skip
    assert reply.status == 413


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"revision": "1", "rows": []}']
)
def test_a_body_that_is_none_is_refused_in_words(panel: Panel, body: bytes) -> None:
    reply = panel.request("PUT", "/api/rows", raw=body)
    assert reply.status == 400
    assert reply.json()["error"]["message"]


def test_every_answer_carries_the_policy(panel: Panel) -> None:
    for reply in (panel.get("/"), panel.get("/api/state"), panel.get("/api/state", Cookie=None)):
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"


def test_scripts_in_names_and_prompts_come_back_as_text(panel: Panel) -> None:
    script = "<script>alert(1)</script>\"'&\u2028"
    row = {"id": "evil", "name": "x", "prompt": script}
    revision = panel.state()["revision"]
    assert panel.request("PUT", "/api/rows", {"revision": revision, "rows": [row]}).status == 200
    reply = panel.get("/api/state")
    assert reply.headers["content-type"] == "application/json"
    assert reply.json()["rows"][0]["prompt"] == script
