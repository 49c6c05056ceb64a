"""`selva mcp` over standard input and output, spoken to by the client of the protocol's own library."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("mcp")
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, ImageContent, TextContent

from selva_otio import load_timeline
from tests.support.daemons import StartServer

DOG = {"Dog": "small dog barking"}
TOOLS = {
    "allowed_folders", "describe_timeline", "spot", "look", "measure", "show_overview", "render",
    "propose_placement", "place", "undo",
}  # fmt: skip
Talk = Callable[[Client], Awaitable[None]]


def serve(folder: Path, talk: Talk) -> None:
    """Start `selva mcp --folder FOLDER` and talk to it."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "selva_cli", "mcp", "--folder", str(folder)],
        env=dict(os.environ),
    )

    async def run() -> None:
        async with Client(server, read_timeout_seconds=120) as client:
            await talk(client)

    asyncio.run(run())


def read(result: CallToolResult) -> Any:
    """The JSON of a tool that went well."""
    assert not result.is_error, result.content
    (content,) = result.content
    assert isinstance(content, TextContent)
    return json.loads(content.text)


def error_of(result: CallToolResult) -> str:
    assert result.is_error
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def test_an_agent_looks_renders_measures_shows_places_and_undoes(
    start_server: StartServer, cut: Path
) -> None:
    start_server()
    folder = cut.parent

    async def talk(client: Client) -> None:
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
        described = read(await client.call_tool("describe_timeline", {"timeline": "cut.otio"}))
        assert [track["clips"] for track in described["tracks"]] == [["a"]]
        spotted = read(await client.call_tool("spot", {"timeline": str(cut), "tracks": DOG}))
        assert [cue["track"] for cue in spotted["cues"]] == ["Dog"]
        rendered = await render_after_a_dry_run(client, folder)
        placement_id = await place_what_is_confirmed(client, rendered, folder / "out.otio")
        picture = (await client.call_tool("show_overview", {"timeline": "out.otio"})).content[0]
        assert isinstance(picture, ImageContent)
        undone = read(await client.call_tool("undo", {"placement_id": placement_id}))
        assert undone["removed"] == [str(folder / "out.otio")]
        assert not (folder / "out.otio").exists()
        assert Path(rendered["stems"][0]["file"]).is_file()
        await undo_what_was_changed_or_replaced(client, folder / "out.otio")
        assert sys.platform != "linux" or not has_loaded_torch(folder)

    serve(folder, talk)


async def render_after_a_dry_run(client: Client, folder: Path) -> Any:
    wanted = {"timeline": "cut.otio", "tracks": DOG, "stems_folder": "stems", "model": "selva-echo"}
    shown = read(await client.call_tool("render", wanted))
    assert (shown["dry_run"], (folder / "stems").exists()) == (True, False)
    rendered = read(await client.call_tool("render", {**wanted, "dry_run": False}))
    (stem,) = rendered["stems"]
    (measured,) = read(await client.call_tool("measure", {"stems": [stem["file"]]}))["stems"]
    assert measured["seconds"] == pytest.approx(0.5, abs=0.001)
    assert measured["clipped_samples"] == 0
    assert measured["hints"]["leak_db"] is None, "it has no siblings"
    assert {"sync", "peak_dbfs", "silent", "clipped_samples"} < set(measured["hints"])
    return rendered


async def place_what_is_confirmed(client: Client, rendered: Any, out: Path) -> str:
    named = {"render_id": rendered["render_id"], "output": out.name}
    proposal = read(await client.call_tool("propose_placement", named))
    assert [each["file"] for each in proposal["stems"]] == [rendered["stems"][0]["file"]]
    assert not out.exists()
    refused = await client.call_tool("place", {"proposal_id": proposal["proposal_id"], "confirmed": False})
    assert "nothing was placed" in error_of(refused)
    assert not out.exists()
    agreed = {"proposal_id": proposal["proposal_id"], "confirmed": True}
    both = await asyncio.gather(*(client.call_tool("place", agreed) for _ in range(2)))
    (refused,) = [result for result in both if result.is_error]
    assert "there is no proposal_id" in error_of(refused), "it is placed once"
    (placed,) = [read(result) for result in both if not result.is_error]
    assert [track.name for track in load_timeline(out).audio_tracks()] == ["Dog"]
    return str(placed["placement_id"])


async def undo_what_was_changed_or_replaced(client: Client, out: Path) -> None:
    async def place(prompt: str) -> str:
        wanted = {
            "timeline": "cut.otio",
            "tracks": {"Dog": prompt},
            "stems_folder": "stems",
            "dry_run": False,
        }
        rendered = read(await client.call_tool("render", {**wanted, "model": "selva-echo"}))
        named = {"render_id": rendered["render_id"], "output": out.name}
        proposal = read(await client.call_tool("propose_placement", named))
        agreed = {"proposal_id": proposal["proposal_id"], "confirmed": True}
        return str(read(await client.call_tool("place", agreed))["placement_id"])

    await place("bark")
    first = out.read_bytes()
    second_id = await place("howl")
    second = out.read_bytes()
    assert second != first
    out.write_bytes(second + b"\n")
    refused = await client.call_tool("undo", {"placement_id": second_id})
    assert "was changed or moved" in error_of(refused)
    out.write_bytes(second)
    assert read(await client.call_tool("undo", {"placement_id": second_id}))["restored"] == [str(out)]
    assert out.read_bytes() == first


def has_loaded_torch(folder: Path) -> bool:
    """Whether the running server has torch's library in its memory."""
    servers = [
        child
        for child in psutil.Process().children(recursive=True)
        if "mcp" in child.cmdline() and str(folder) in child.cmdline()
    ]
    assert servers
    mapped = {Path(region.path).name for server in servers for region in server.memory_maps()}
    return any(name.startswith("libtorch") for name in mapped)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_nothing_outside_of_the_folders_is_read_or_written(cut: Path, tmp_path: Path) -> None:
    folder = tmp_path / "allowed"
    folder.mkdir()
    inside = folder / "cut.otio"
    inside.write_bytes(cut.read_bytes())  # its media lies outside
    (folder / "link.otio").symlink_to(cut)
    (folder / "way out").symlink_to(tmp_path)
    spot = {"tracks": DOG}

    async def talk(client: Client) -> None:
        allowed = read(await client.call_tool("allowed_folders", {}))
        assert allowed == {"folders": [str(folder.resolve())]}
        for path in (str(cut), "../cut.otio", "link.otio", "way out/cut.otio", "cut.otio"):
            refused = await client.call_tool("spot", {**spot, "timeline": path})
            assert "outside-folders: " in error_of(refused), path
        refused = await client.call_tool("measure", {"stems": ["/etc/passwd"]})
        assert "outside-folders: " in error_of(refused)
        media = folder / "shot.mov"
        media.write_bytes((tmp_path / "shot.mov").read_bytes())
        inside.write_text(cut.read_text().replace((tmp_path / "shot.mov").as_uri(), media.as_uri()))
        wanted = {**spot, "timeline": "cut.otio"}
        assert read(await client.call_tool("spot", wanted))["cues"]
        refused = await client.call_tool("render", {**wanted, "stems_folder": "../stems", "dry_run": True})
        assert "outside-folders: " in error_of(refused)

    serve(folder, talk)


def test_a_refusal_says_what_was_got_what_is_allowed_and_which_tool_comes_next(cut: Path) -> None:
    folder = cut.parent
    (folder / "junk.wav").write_bytes(b"no sound" * 40)
    (folder / "stems.txt").write_text("a file")
    wanted = {"timeline": "cut.otio", "tracks": DOG, "stems_folder": "stems"}

    async def talk(client: Client) -> None:
        async def refusal(tool: str, **arguments: Any) -> str:
            return error_of(await client.call_tool(tool, arguments))

        assert "has no argument 'handels_s'; it has timeline, tracks," in await refusal(
            "render", **wanted, handels_s=2
        )
        assert "handles_s: input should be less than or equal to 60; got '99'" in await refusal(
            "render", **wanted, handles_s=99
        )
        assert "no tool 'rendr'; there are allowed_folders," in await refusal("rendr")
        assert "call render with dry_run false" in await refusal(
            "propose_placement", render_id="x", output="o.otio"
        )
        assert "junk.wav is no sound file that can be read: " in await refusal("measure", stems=["junk.wav"])
        assert "junk.wav: No such file" not in await refusal("measure", stems=["junk.wav"])
        for wrong in ({"model": "nope"}, {"seed": -1}, {"stems_folder": "stems.txt"}):
            dry = await refusal("render", **{**wanted, **wrong})
            assert dry == await refusal("render", **{**wanted, **wrong, "dry_run": False}), wrong
        shown = read(await client.call_tool("render", {**wanted, "handles_s": 2, "model": "selva-echo"}))
        assert shown["dry_run"]

    serve(folder, talk)
