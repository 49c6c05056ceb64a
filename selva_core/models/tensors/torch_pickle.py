"""The pickle of a state dict, interpreted: no class is looked up, nothing is called, and its size bounds the work.

`pickletools` takes the bytes apart; of its operations only those are known that `torch.save` writes for tensors in
dictionaries. All others, and every name outside a short list, end the reading with an error.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_DTYPES = {
    "DoubleStorage": "F64", "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16",
    "LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8",
    "ByteStorage": "U8", "BoolStorage": "BOOL",
}  # fmt: skip
_TENSOR = "torch._utils _rebuild_tensor_v2"
_PARAMETER = "torch._utils _rebuild_parameter"
_DICTIONARY = "collections OrderedDict"
_MAX_OPERATIONS = 2_000_000


class PickleError(ValueError):
    """The pickle holds something other than tensors in dictionaries."""


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """storage: the name of its entry. offset: in numbers, not bytes."""

    storage: str
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def is_contiguous(self) -> bool:
        expected = 1
        for size, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if size > 1 and stride != expected:
                return False
            expected *= size
        return True


@dataclass(frozen=True)
class _Name:
    text: str


@dataclass(frozen=True)
class _Storage:
    name: str
    dtype: str


@dataclass
class _Mark:
    pass


@dataclass
class _Machine:
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def pop_to_mark(self) -> list[Any]:
        for index in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[index], _Mark):
                values = self.stack[index + 1 :]
                del self.stack[index:]
                return values
        raise PickleError("a mark is missing")

    def pop_tuple(self, count: int) -> tuple[Any, ...]:
        if len(self.stack) < count:
            raise PickleError("a value is missing")
        values = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        return values


def read_state_dict(content: bytes) -> dict[str, StoredTensor]:
    """Tensors by name; BigVGAN's checkpoints, which hold theirs one level deeper, included. Raises PickleError."""
    value = _run(content)
    if isinstance(value, dict) and isinstance(value.get("generator"), dict):
        value = value["generator"]
    if not isinstance(value, dict):
        raise PickleError(f"its content is {type(value).__name__}")
    for key, tensor in value.items():
        if not isinstance(key, str) or not isinstance(tensor, StoredTensor):
            raise PickleError(f"{str(key)[:80]!r} is no tensor")
    return value


def _run(content: bytes) -> object:
    machine = _Machine()
    try:
        for count, (operation, argument, _) in enumerate(pickletools.genops(content)):
            if operation.name == "STOP":
                (value,) = machine.pop_tuple(1)
                return value
            step = _OPERATIONS.get(operation.name)
            if step is None or count > _MAX_OPERATIONS:
                raise PickleError(f"the operation {operation.name} has no place in a state dict")
            step(machine, argument)
    except PickleError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as exc:
        raise PickleError(f"its pickle is damaged ({exc})") from exc
    raise PickleError("its pickle has no end")


def _push(machine: _Machine, argument: object) -> None:
    machine.stack.append(argument)


def _push_value(value: object) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(value)


def _push_name(machine: _Machine, argument: str) -> None:
    known = argument in (_TENSOR, _PARAMETER, _DICTIONARY)
    if not known and not (argument.startswith("torch ") and argument[6:] in _DTYPES):
        raise PickleError(f"{argument[:80]!r} is not used by tensors")
    machine.stack.append(_Name(argument))


def _store(machine: _Machine, argument: int) -> None:
    machine.memo[argument] = machine.stack[-1]


def _push_storage(machine: _Machine, _: object) -> None:
    (identity,) = machine.pop_tuple(1)
    kind, storage, name, *_rest = identity
    if kind != "storage" or not isinstance(storage, _Name) or not isinstance(name, str):
        raise PickleError("a reference to something other than a storage")
    machine.stack.append(_Storage(name, _DTYPES[storage.text.removeprefix("torch ")]))


def _call(machine: _Machine, _: object) -> None:
    function, arguments = machine.pop_tuple(2)
    if function == _Name(_DICTIONARY) and arguments == ():
        machine.stack.append({})
    elif function == _Name(_PARAMETER) and isinstance(arguments[0], StoredTensor):
        machine.stack.append(arguments[0])
    elif function == _Name(_TENSOR):
        storage, offset, shape, strides = arguments[:4]
        numbers = (offset, *shape, *strides)
        if not isinstance(storage, _Storage) or not all(
            type(value) is int and 0 <= value < 1 << 40 for value in numbers
        ):
            raise PickleError("a tensor with a wrong shape")
        if len(shape) != len(strides) or len(shape) > 8:
            raise PickleError("a tensor with a wrong shape")
        machine.stack.append(
            StoredTensor(
                storage=storage.name, dtype=storage.dtype, offset=offset, shape=shape, strides=strides
            )
        )
    else:
        raise PickleError("a call that tensors do not need")


def _set_items(machine: _Machine, _: object) -> None:
    values = machine.pop_to_mark()
    machine.stack[-1].update(zip(values[::2], values[1::2], strict=True))


def _set_item(machine: _Machine, _: object) -> None:
    key, value = machine.pop_tuple(2)
    machine.stack[-1][key] = value


def _append_items(machine: _Machine, _: object) -> None:
    values = machine.pop_to_mark()
    machine.stack[-1].extend(values)


def _push_tuple(count: int) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(machine.pop_tuple(count))


def _ignore_state(machine: _Machine, _: object) -> None:
    """State dicts carry versions of their modules (`_metadata`), which nothing here reads."""
    machine.pop_tuple(1)


_OPERATIONS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    **dict.fromkeys(
        ("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINUNICODE", "BINFLOAT"), _push
    ),
    "NONE": _push_value(None),
    "NEWTRUE": _push_value(True),
    "NEWFALSE": _push_value(False),
    "EMPTY_TUPLE": _push_value(()),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "MARK": lambda machine, _: machine.stack.append(_Mark()),
    "GLOBAL": _push_name,
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _store),
    **dict.fromkeys(
        ("BINGET", "LONG_BINGET"), lambda machine, argument: machine.stack.append(machine.memo[argument])
    ),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.pop_to_mark())),
    "TUPLE1": _push_tuple(1),
    "TUPLE2": _push_tuple(2),
    "TUPLE3": _push_tuple(3),
    "BINPERSID": _push_storage,
    "REDUCE": _call,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "APPEND": lambda machine, _: machine.stack[-2].append(machine.stack.pop()),
    "APPENDS": _append_items,
    "BUILD": _ignore_state,
}
