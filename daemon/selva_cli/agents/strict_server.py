"""What an agent reads where a call cannot be done: what was got, what is allowed, and which tool to call next."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, InputRequiredResult
from pydantic import ValidationError

from selva_core.base.errors import SelvaError

_NEXT_BY_CODE = {
    "timeline-format": "name a timeline file; describe_timeline shows what it holds",
    "timeline-unreadable": "name a timeline file in one of the folders that allowed_folders names",
    "timeline-nothing-to-spot": "here: render with dry_run false, then propose_placement, then place",
    "model-unknown": "leave model out for the one of the settings",
    "daemon-unavailable": "ask the person to run: selva daemon start",
    "media-not-found": "ask the person to bring the media back to where the timeline says",
}
"""By the code of an error: what to do here. Our messages name commands and options of a terminal, which an agent has not."""


class StrictServer(MCPServer):
    """Refuses argument names that a tool does not have, which the library passes over: a misspelt `handels_s` is not 0."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool. Raises ToolError in words."""
        allowed = {
            tool.name: list(tool.input_schema.get("properties", {})) for tool in await self.list_tools()
        }
        if name not in allowed:
            raise ToolError(f"request: there is no tool {name!r}; there are {', '.join(allowed)}")
        if unknown := sorted(set(arguments) - set(allowed[name])):
            takes = ", ".join(allowed[name]) or "none"
            raise ToolError(
                f"request: {name} has no argument {', '.join(map(repr, unknown))}; it has {takes}"
            )
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if isinstance(error.__cause__, ValidationError):
                raise ToolError(f"request: {name}: {_describe(error.__cause__)}") from error
            raise


def describe_error(error: SelvaError) -> str:
    """Code, message, and what to do next with the tools that there are."""
    step = _NEXT_BY_CODE.get(error.code)
    message = error.message.replace(", or add --replace to replace it", "")
    return f"{error.code}: {message}" + (f"; {step}" if step else "")


def _describe(error: ValidationError) -> str:
    """One clause a wrong argument, without the library's own names and addresses."""
    return "; ".join(
        f"{'.'.join(map(str, fault['loc']))}: {_lower_first(fault['msg'])}"
        + ("" if fault["type"] == "missing" else f"; got {str(fault['input'])[:100]!r}")
        for fault in error.errors(include_url=False, include_context=False)
    )


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
