"""The tables of docs/reference/protocol.md and docs/operation/configuration.md, made from the structs of both ends.

`python -m selva_daemon.reference` rewrites them in a checkout; a test compares them. In a page a table stands between
`<!-- table NAME -->` and `<!-- end of table -->`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from selva_core.base.errors import SelvaError
from selva_core.base.schema import bare_type, describe_range, extra_of, struct_type
from selva_core.base.settings import rows
from selva_core.base.settings.row import Setting
from selva_daemon.protocol.job import JobRequest
from selva_daemon.protocol.requests import CONTROL, JOBS, REQUESTS, Limits, RequestType
from selva_daemon.protocol.status import (
    DaemonEvent,
    DaemonStatus,
    JobStatus,
    LoadedModel,
    ModelStatus,
    ProcessStatus,
    StemResult,
)

PAGES = ("docs/reference/protocol.md", "docs/operation/daemon.md", "docs/operation/configuration.md")
_TABLE = re.compile(r"(<!-- table (?P<name>[\w ]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def build_tables() -> Mapping[str, str]:
    """Markdown by the name that stands in the page."""
    builders: Mapping[str, Callable[[], str]] = {
        "requests on jobs": lambda: _requests_table(JOBS),
        "requests on control": lambda: _requests_table(CONTROL),
        "job": lambda: _table(("field", "type", "allowed", "meaning"), _request_rows(JobRequest, "")),
        "job status": lambda: _reply_table(JobStatus),
        "stem": lambda: _reply_table(StemResult),
        "daemon status": lambda: _reply_table(DaemonStatus),
        "models": lambda: _reply_table(ModelStatus),
        "limits": lambda: _reply_table(Limits),
        "process": lambda: _reply_table(ProcessStatus),
        "model": lambda: _reply_table(LoadedModel),
        "daemon event": lambda: _reply_table(DaemonEvent),
        "settings": _settings_tables,
    }
    return {name: build() for name, build in builders.items()}


def fill(page: str) -> str:
    """The page with its tables rewritten. Raises KeyError for a table of an unknown name."""
    tables = build_tables()
    return _TABLE.sub(lambda found: f"{found[1]}\n{tables[found['name']]}\n{found[3]}", page)


def table_names(page: str) -> Sequence[str]:
    return [found["name"] for found in _TABLE.finditer(page)]


def _table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _reply_table(kind: type) -> str:
    return _table(("field", "type", "meaning"), _reply_rows(kind))


def _requests_table(channel: str) -> str:
    rows = ((kind.name, kind) for kind in REQUESTS if channel in kind.channels)
    return _table(
        ("type", "body", "reply", "what the daemon does"),
        ([f"`{name}`", _body_cell(kind.body), _reply_cell(kind), kind.about] for name, kind in rows),
    )


def _body_cell(kind: type) -> str:
    if kind is JobRequest:
        return "a job, below"
    fields = struct_type(kind).fields
    return (
        "; ".join(_describe(each, [_allowed(each), _default(each), _about(each)]) for each in fields)
        or "`{}`"
    )


def _reply_cell(kind: RequestType[Any, Any]) -> str:
    links: Mapping[type, str] = {JobStatus: "a job status, below", DaemonStatus: "the daemon's status, below"}
    if kind.reply in links:
        return links[kind.reply]
    return "; ".join(_describe(field, [_about(field)]) for field in struct_type(kind.reply).fields)


def _describe(field: inspect.Field, remarks: Sequence[str]) -> str:
    inside = ", ".join(remark for remark in remarks if remark)
    return f"`{field.encode_name}` ({inside})" if inside else f"`{field.encode_name}`"


def _request_rows(kind: type, prefix: str) -> Iterator[Sequence[str]]:
    """One row a field, those of inner maps after the map that holds them."""
    for field in struct_type(kind).fields:
        name, bare = prefix + field.encode_name, bare_type(field.type)
        struct = bare.cls if isinstance(bare, inspect.StructType) else None
        mark = "."
        if isinstance(bare, inspect.VarTupleType):
            item = bare_type(bare.item_type)
            struct, mark = (item.cls if isinstance(item, inspect.StructType) else None), "[]."
        limits = [word for word in (_allowed(field), _default(field)) if word]
        yield f"`{name}`", _type_words(field.type), ", ".join(limits), _about(field)
        if struct is not None:
            yield from _request_rows(struct, name + mark)


def _reply_rows(kind: type) -> Iterator[Sequence[str]]:
    for field in struct_type(kind).fields:
        yield f"`{field.encode_name}`", _type_words(field.type), _about(field)


def _settings_tables() -> str:
    """A heading and a table for each group."""
    groups: dict[str, list[Setting]] = {}
    for setting in rows().values():
        groups.setdefault(setting.row.group, []).append(setting)
    head = ("setting", "default", "allowed", "since", "meaning")
    tables = (
        f"### {group}\n\n{_table(head, map(_setting_row, settings))}" for group, settings in groups.items()
    )
    return "\n".join(tables)


def _setting_row(setting: Setting) -> Sequence[str]:
    row = setting.row
    default = row.unset if setting.default is None else f"`{json.dumps(_plain(setting.default))}`"
    unit = f" ({row.unit})" if row.unit else ""
    kind = {bool: "`true`, `false`", Path: "absolute path", tuple: "list of absolute paths"}
    earlier = "".join(f"; was called `{name}`, which stays valid" for name in row.earlier_names)
    restart = "" if row.restart else "; needs no restart of the daemon"
    allowed = setting.allowed or kind.get(setting.kind, "")
    return f"`{setting.name}`", f"{default}{unit}", allowed, row.since, f"{row.about}{earlier}{restart}"


def _plain(default: Any) -> Any:
    """Whole numbers without a point, lists as JSON has them."""
    if isinstance(default, float) and default.is_integer():
        return int(default)
    return list(default) if isinstance(default, tuple) else default


def _type_words(node: inspect.Type) -> str:
    bare = bare_type(node)
    if isinstance(bare, inspect.UnionType):
        return " or ".join(_type_words(each) for each in bare.types)
    if isinstance(bare, inspect.CustomType):
        return {Fraction: "rational", Path: "string", SelvaError: "map"}[bare.cls]
    if isinstance(bare, inspect.VarTupleType):
        item = _type_words(bare.item_type)
        return f"list of {item.replace('pair', 'pairs') if item.startswith('pair') else f'{item}s'}"
    if isinstance(bare, inspect.TupleType):
        return f"pair of {_type_words(bare.item_types[0])}s"
    if isinstance(bare, inspect.DictType):
        return f"map of {_type_words(bare.value_type)}s"
    plain: Mapping[type, str] = {
        inspect.StrType: "string",
        inspect.IntType: "integer",
        inspect.FloatType: "number",
        inspect.BoolType: "boolean",
        inspect.NoneType: "nil",
        inspect.StructType: "map",
    }
    return plain[type(bare)]


def _allowed(field: inspect.Field) -> str:
    allowed = extra_of(field.type).get("allowed")
    if allowed is not None:
        return str(allowed)
    bare = bare_type(field.type)
    if isinstance(bare, inspect.IntType | inspect.FloatType):
        return describe_range(bare).replace(f"{2**63 - 1}", "2^63 - 1").replace(f"{2**53}", "2^53")
    if isinstance(bare, inspect.VarTupleType) and bare.max_length is not None:
        least = f"{bare.min_length} to" if bare.min_length else "up to"
        return f"{least} {bare.max_length}"
    if isinstance(bare, inspect.DictType) and bare.max_length is not None:
        return f"up to {bare.max_length} entries"
    return ""


def _default(field: inspect.Field) -> str:
    """How a field that may be left out is read; "optional" where there is no such value."""
    if field.required:
        return ""
    default = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    if default is None or default == () or default is msgspec.NODEFAULT:
        return "optional"
    if isinstance(default, str):
        return f"default `{default}`" if default else 'default ""'
    if isinstance(default, bool):
        return f"default {str(default).lower()}"
    return f"default {default}" if isinstance(default, int | float | Fraction) else "optional"


def _about(field: inspect.Field) -> str:
    node = field.type
    described = node.extra_json_schema if isinstance(node, inspect.Metadata) else None
    return str((described or {}).get("description", ""))


def main(root: Path) -> int:
    for name in PAGES:
        page = root / name
        page.write_text(fill(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parents[2]))
