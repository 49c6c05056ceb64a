"""The tools of `selva mcp`, as the Model Context Protocol has them. What changes something says first what it would do."""

from __future__ import annotations

import functools
import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

import selva_core
from selva_cli.agents.allowed_folders import AllowedFolders
from selva_cli.agents.session import AgentSession
from selva_cli.agents.strict_server import StrictServer, describe_error
from selva_core.base.command_line import pip_install_command
from selva_core.base.errors import RequestError, SelvaError
from selva_core.base.limits import DEFAULT_SEED
from selva_core.base.render_options import RenderOptions

INSTRUCTIONS = (
    "Selva makes one aligned sound stem per prompt for silent picture. Look first (describe_timeline, spot, look), then render "
    "with dry_run true, then with dry_run false, then measure and show. To put stems on a timeline call propose_placement, show "
    "the proposal to the person, and call place only after they agree; undo takes it back. Paths lie in the folders that "
    "allowed_folders names."
)
MAX_STEMS_MEASURED = 64

ResultT = TypeVar("ResultT")
Timeline = Annotated[str, Field(description="A timeline file: .otio, .xml, .fcpxml, .edl, .aaf, .rpp ...")]
Tracks = Annotated[
    dict[str, str],
    Field(
        description="Stem track name to prompt, heard on every clip: {'Dog': 'small dog barking'}",
        min_length=1,
    ),
]
Handles = Annotated[float, Field(description="Seconds of sound before and after each clip", ge=0, le=60)]
_LOOKS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_CHANGES = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)


def build_server(folders: AllowedFolders) -> MCPServer:
    """The server, ready to run on a transport."""
    server = StrictServer(
        "selva", instructions=INSTRUCTIONS, version=selva_core.__version__, log_level="WARNING"
    )
    session = AgentSession(folders)
    _add_looking_tools(server, session)
    _add_judging_tools(server, session)
    _add_render_tool(server, session)
    _add_placing_tools(server, session)
    return server


def _add_looking_tools(server: MCPServer, session: AgentSession) -> None:
    tool = server.tool

    @tool(annotations=_LOOKS)
    def allowed_folders() -> dict[str, list[str]]:
        """The folders that may be read and written in."""
        return {"folders": [str(folder) for folder in session.folders.folders]}

    @tool(annotations=_LOOKS)
    @_telling_errors
    def describe_timeline(timeline: Timeline) -> dict[str, Any]:
        """Tracks, clips and stems of a timeline."""
        return session.describe(timeline)

    @tool(annotations=_LOOKS)
    @_telling_errors
    def spot(timeline: Timeline, tracks: Tracks, handles_s: Handles = 0.0) -> dict[str, Any]:
        """The cues of a timeline: which sound, where, from which picture. Nothing is rendered."""
        return session.spot(timeline, tracks, handles_s=handles_s)

    @tool(annotations=_LOOKS)
    @_telling_errors
    def look(timeline: Timeline, tracks: Tracks, model: str | None = None) -> dict[str, Any]:
        """How much of what each prompt names the model sees in each clip, 0 to 1 (`presence`). Takes seconds per clip."""
        return session.look(timeline, tracks, model=model)


def _add_judging_tools(server: MCPServer, session: AgentSession) -> None:
    tool = server.tool

    @tool(annotations=_LOOKS)
    @_telling_errors
    def measure(
        stems: Annotated[list[str], Field(min_length=1, max_length=MAX_STEMS_MEASURED)],
    ) -> dict[str, list[dict[str, Any]]]:
        """Loudness, peak, clipping and silence of stems (WAV files), and the share of sound where the model saw its source.

        `hints` has sync, and leak_db: energy while only siblings are seen. Stems of a clip measured together are siblings.
        """
        return {"stems": session.measure(stems)}

    @tool(annotations=_LOOKS, structured_output=False)
    @_telling_errors
    def show_overview(timeline: Timeline) -> Image:
        """A picture of a rendered timeline: frames, waveforms of the stems, cue spans, where the model saw the things."""
        return Image(data=_draw(session, timeline), format="png")


def _add_render_tool(server: MCPServer, session: AgentSession) -> None:
    @server.tool(annotations=_CHANGES)
    @_telling_errors
    def render(
        *,
        timeline: Timeline,
        tracks: Tracks,
        stems_folder: Annotated[str, Field(description="Where the WAV files go")],
        dry_run: Annotated[bool, Field(description="True shows the cues and makes nothing")] = True,
        takes: Annotated[int, Field(ge=1, le=16)] = 1,
        seed: int = DEFAULT_SEED,
        model: str | None = None,
        handles_s: Handles = 0.0,
    ) -> dict[str, Any]:
        """Make stems for every clip. Writes WAV files and no timeline; gives a render_id for propose_placement."""
        options = RenderOptions(model=model, num_takes=takes, seed=seed)
        if dry_run:
            session.check(stems_folder, options)
            return {"dry_run": True, **session.spot(timeline, tracks, handles_s=handles_s)}
        return {
            "dry_run": False,
            **session.render(timeline, tracks, stems_folder, options, handles_s=handles_s),
        }


def _add_placing_tools(server: MCPServer, session: AgentSession) -> None:
    tool = server.tool

    @tool(annotations=_LOOKS)
    @_telling_errors
    def propose_placement(
        render_id: str,
        output: Annotated[str, Field(description="The timeline to write; never the one that was read")],
    ) -> dict[str, Any]:
        """Where the stems of a render would lie on a new timeline. Writes nothing; gives a proposal_id for place."""
        return session.propose(render_id, output)

    @tool(annotations=_CHANGES)
    @_telling_errors
    def place(
        proposal_id: str,
        confirmed: Annotated[
            bool, Field(description="True only after the person has seen the proposal and agreed")
        ],
    ) -> dict[str, Any]:
        """Write the timeline of a proposal. Gives a placement_id for undo."""
        return session.place(proposal_id, confirmed=confirmed)

    @tool(annotations=_CHANGES)
    @_telling_errors
    def undo(placement_id: str) -> dict[str, Any]:
        """Take back a placement, unless somebody has changed the timeline since. Stems stay as files."""
        return session.undo(placement_id)


def _telling_errors(function: Callable[..., ResultT]) -> Callable[..., ResultT]:
    """Give the agent the message of our errors, with their code: it says what to do next."""

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> ResultT:
        try:
            return function(*arguments, **options)
        except SelvaError as error:
            raise ToolError(describe_error(error)) from error

    return call


def _draw(session: AgentSession, timeline: str) -> bytes:
    """The PNG of an overview. Raises SelvaError."""
    if importlib.util.find_spec("matplotlib") is None:
        raise RequestError(f"drawing needs matplotlib; install it with: {pip_install_command('matplotlib')}")
    from selva_render.overview import draw_overview  # noqa: PLC0415 - loads decoders
    from selva_render.overview_sources import collect_overview  # noqa: PLC0415

    path = session.folders.resolve(timeline)
    session.describe(timeline)  # refuses media outside of the folders
    overview = collect_overview(path)
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "overview.png"
        draw_overview(overview.title, overview.strip, overview.rows, end_s=overview.end_s, out_path=picture)
        return picture.read_bytes()
