"""Bodies of messages as structs: what a client sends is checked field by field, what the daemon answers is taken as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from selva_core.base.errors import SelvaError
from selva_core.base.schema import FieldFault, decode_hook, describe_faults, encode_hook
from selva_core.base.schema_check import check
from selva_daemon.protocol.errors import InvalidRequestError, ProtocolError, from_wire, to_wire

MAX_LISTED_FAULTS = 100
T = TypeVar("T")


def parse_body(body: object, kind: type[T]) -> T:
    """A request's body. Raises InvalidRequestError with one fault per wrong or unknown field."""
    value, faults = check(body, kind)
    if value is None:
        raise _invalid(faults)
    return value


def _invalid(faults: Sequence[FieldFault]) -> InvalidRequestError:
    message = f"the request is not valid: {describe_faults(faults)}"
    return InvalidRequestError(message, fields=faults[:MAX_LISTED_FAULTS])


def read_reply(body: object, kind: type[T]) -> T:
    """A reply's body; fields of a newer daemon that this version does not know are left out. Raises ProtocolError."""
    try:
        return msgspec.convert(body, kind, dec_hook=reply_decode_hook)
    except msgspec.ValidationError as exc:
        raise ProtocolError(f"the daemon's answer is not a {kind.__name__}: {exc}") from exc


def reply_decode_hook(kind: type, raw: Any) -> Any:
    """As `decode_hook`, and an error from its body."""
    return from_wire(raw) if kind is SelvaError else decode_hook(kind, raw)


def reply_encode_hook(value: Any) -> Any:
    """The inverse of `reply_decode_hook`."""
    return to_wire(value) if isinstance(value, SelvaError) else encode_hook(value)
