"""Reading plain maps, lists and scalars into the structs of selva_core.base.schema, with every fault named.

msgspec validates in C and stops at the first fault; a value that it refuses is walked a second time here. What it lets through
although an annotation or `cross_field_faults` refuses it is found by a plan of the few fields that have such a check.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect

from selva_core.base.schema import (
    Check,
    FieldFault,
    bare_type,
    choice_problem,
    decode_hook,
    describe_range,
    extra_of,
    harmless,
    kind_of,
    show_number,
    struct_type,
    type_info,
)

T = TypeVar("T")


def check(raw: object, kind: type[T]) -> tuple[T | None, Sequence[FieldFault]]:
    """Read plain maps, lists and scalars into a struct: the value and no faults, or None and every fault."""
    try:
        value = msgspec.convert(raw, kind, dec_hook=decode_hook)
    except msgspec.ValidationError as error:
        walk = _FaultWalk()
        walk.read(type_info(kind), raw, "")
        return None, walk.faults or [FieldFault("body", str(error))]
    if _holds(value, cast("Mapping[str, Any]", raw), _plan(cast("type", kind))):
        return value, ()
    walk = _FaultWalk()
    walk.read(type_info(kind), raw, "")
    return None, walk.faults


@dataclass(frozen=True, kw_only=True)
class _FieldPlan:
    """What is left to do for a field that msgspec let through."""

    attribute: str
    key: str
    check: Check | None
    written_as: Any
    struct: type | None
    is_list: bool


def _holds(value: Any, raw: Mapping[str, Any], plan: Sequence[_FieldPlan]) -> bool:
    for step in plan:
        if step.key not in raw:
            continue
        inner, raw_inner = getattr(value, step.attribute), raw[step.key]
        if step.check is not None and step.check(inner) is not None:
            return False
        if step.written_as is not None:
            try:
                inner = msgspec.convert(raw_inner, step.written_as, dec_hook=decode_hook)
            except msgspec.ValidationError:
                return False
        if step.struct is not None:
            inner_plan = _plan(step.struct)
            pairs = zip(inner, raw_inner, strict=True) if step.is_list else [(inner, raw_inner)]
            if not all(_holds(item, raw_item, inner_plan) for item, raw_item in pairs):
                return False
    return next(_cross_field_faults(value), None) is None


def _cross_field_faults(value: Any) -> Iterator[tuple[str, str]]:
    rules = getattr(value, "cross_field_faults", None)
    return iter(()) if rules is None else rules()


@cache
def _plan(kind: type) -> tuple[_FieldPlan, ...]:
    return tuple(
        _FieldPlan(
            attribute=field.name,
            key=field.encode_name,
            check=extra.get("check"),
            written_as=extra.get("written_as"),
            struct=struct,
            is_list=is_list,
        )
        for field in struct_type(kind).fields
        for extra in [extra_of(field.type)]
        for struct, is_list in [_struct_in(bare_type(field.type))]
        if extra or struct is not None
    )


def _struct_in(node: inspect.Type) -> tuple[type | None, bool]:
    """The struct that a field holds, and whether it is a list of them."""
    if isinstance(node, inspect.VarTupleType | inspect.ListType):
        return _struct_in(bare_type(node.item_type))[0], True
    return (node.cls, False) if isinstance(node, inspect.StructType) else (None, False)


class _FaultWalk:
    """Reads a value as its struct says and notes every fault; a faulty field is read as a harmless value of its type, so
    that what concerns several fields can be checked all the same.
    """

    def __init__(self) -> None:
        self.faults: list[FieldFault] = []

    def read(self, node: inspect.Type, raw: object, path: str) -> Any:
        num_before = len(self.faults)
        extra = extra_of(node)
        value = self._read_bare(bare_type(node), raw, path, extra.get("choices"))
        check = extra.get("check")
        if check is not None and len(self.faults) == num_before and (problem := check(value)) is not None:
            return self._refuse(path, problem, harmless(node))
        return value

    def _refuse(self, path: str, message: str, value: Any) -> Any:
        self.faults.append(FieldFault(path or "body", message))
        return value

    def _read_bare(
        self, node: inspect.Type, raw: object, path: str, choices: Sequence[str] | None = None
    ) -> Any:
        if isinstance(node, inspect.StructType):
            return self._read_struct(node, raw, path)
        if isinstance(node, inspect.VarTupleType | inspect.ListType):
            return self._read_list(node, raw, path)
        if isinstance(node, inspect.DictType):
            return self._read_texts(node, raw, path)
        if isinstance(node, inspect.CustomType):
            try:
                return decode_hook(node.cls, raw)
            except ValueError as error:
                return self._refuse(path, str(error), harmless(node))
        problem = _scalar_problem(node, raw, choices)
        return raw if problem is None else self._refuse(path, problem, harmless(node))

    def _read_struct(self, node: inspect.StructType, raw: object, path: str) -> Any:
        if not isinstance(raw, Mapping):
            return self._refuse(path, f"a map is needed; got {kind_of(raw)}", harmless(node))
        num_before = len(self.faults)
        values = {}
        for field in node.fields:
            at = _join(path, field.encode_name)
            if field.encode_name in raw:
                values[field.name] = self.read(field.type, raw[field.encode_name], at)
            elif field.required:
                values[field.name] = self._refuse(at, "this field is missing", harmless(field.type))
        value = node.cls(**values)
        faulty = [fault.field for fault in self.faults[num_before:]]
        for name, message in _cross_field_faults(value):
            if not any(_is_within(_join(path, name), field) for field in faulty):
                self._refuse(_join(path, name), message, None)
        if node.forbid_unknown_fields:
            self._refuse_unknown(node, raw, path)
        return value

    def _refuse_unknown(self, node: inspect.StructType, raw: Mapping[Any, object], path: str) -> None:
        known = {field.encode_name for field in node.fields}
        for name in raw:
            if name not in known:
                message = f"there is no such field; known here: {', '.join(sorted(known)) or 'none'}"
                self._refuse(_join(path, str(name)[:64]), message, None)

    def _read_list(self, node: inspect.VarTupleType | inspect.ListType, raw: object, path: str) -> Any:
        least, most = node.min_length or 0, node.max_length
        item = bare_type(node.item_type)
        if isinstance(item, inspect.StrType):
            return self._read_text_list(node, item, raw, path)
        if not isinstance(raw, list) or len(raw) < least or (most is not None and len(raw) > most):
            got = f"{len(raw)}" if isinstance(raw, list) else kind_of(raw)
            what = "maps" if isinstance(item, inspect.StructType) else "values"
            limits = f"{least} to {most} {what}" if most is not None else f"{least} or more {what}"
            return self._refuse(path, f"a list of {limits} is needed; got {got}", ())
        return tuple(self.read(node.item_type, each, f"{path}[{index}]") for index, each in enumerate(raw))

    def _read_text_list(
        self, node: inspect.VarTupleType | inspect.ListType, item: inspect.StrType, raw: object, path: str
    ) -> Any:
        if not isinstance(raw, list) or not all(isinstance(each, str) for each in raw):
            return self._refuse(path, f"a list of strings is needed; got {kind_of(raw)}", ())
        most, max_chars = node.max_length or math.inf, item.max_length or math.inf
        if len(raw) > most or any(len(each) > max_chars for each in raw):
            return self._refuse(path, f"at most {most} strings of {max_chars} characters", ())
        return tuple(raw)

    def _read_texts(self, node: inspect.DictType, raw: object, path: str) -> Any:
        """A map of short names to strings."""
        if not isinstance(raw, Mapping):
            return self._refuse(path, f"a map of strings is needed; got {kind_of(raw)}", {})
        if node.max_length is not None and len(raw) > node.max_length:
            return self._refuse(path, f"at most {node.max_length} entries; got {len(raw)}", {})
        keys, values = bare_type(node.key_type), bare_type(node.value_type)
        max_key_chars, max_chars = (
            getattr(keys, "max_length", None) or math.inf,
            getattr(values, "max_length", None) or math.inf,
        )
        for key, value in raw.items():
            if not isinstance(key, str) or not 1 <= len(key) <= max_key_chars:
                return self._refuse(path, f"keys are 1 to {max_key_chars} characters", {})
            if not isinstance(value, str) or len(value) > max_chars:
                message = f"a string of at most {max_chars} characters is needed"
                return self._refuse(_join(path, key), message, {})
        return dict(raw)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _is_within(path: str, outer: str) -> bool:
    return path == outer or path.startswith((f"{outer}.", f"{outer}["))


def _scalar_problem(node: inspect.Type, raw: object, choices: Sequence[str] | None) -> str | None:
    """What is wrong with text, a number, a flag or a choice; None when nothing is."""
    if choices is not None:
        return choice_problem(choices, raw)
    if isinstance(node, inspect.StrType):
        if not isinstance(raw, str):
            return f"text is needed; got {kind_of(raw)}"
        too_long = node.max_length is not None and len(raw) > node.max_length
        return f"at most {node.max_length} characters; got {len(raw)}" if too_long else None
    if isinstance(node, inspect.IntType | inspect.FloatType):
        return _number_problem(node, raw)
    if isinstance(node, inspect.BoolType):
        return None if isinstance(raw, bool) else f"true or false is needed; got {kind_of(raw)}"
    raise TypeError(f"{type(node).__name__} has no words for its faults")


def _number_problem(node: inspect.IntType | inspect.FloatType, raw: object) -> str | None:
    is_whole = isinstance(node, inspect.IntType)
    if isinstance(raw, bool) or not isinstance(raw, int if is_whole else int | float):
        return f"{'an integer' if is_whole else 'a number'} is needed; got {kind_of(raw)}"
    number = cast("int | float", raw)
    if not is_whole and not math.isfinite(number):
        return f"a number is needed; got {kind_of(raw)}"
    low, high = node.ge, node.le
    if (low is not None and number < low) or (high is not None and number > high):
        return f"{describe_range(node)} is allowed; got {show_number(number)}"
    return None
