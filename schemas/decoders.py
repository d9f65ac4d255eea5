"""Aspect type version → compiled decoders: the hot path's one trick (design 3.1).

A version is compiled once, into two `msgspec` structs. The strict one takes what well-made clients send;
the lenient one also numbers and booleans written as strings (design 8.20). Both forbid unknown members
and know `_qc` only where it is declared. What a type cannot say is checked on the columns (`cells`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from schemas.aspects import TIME_MEMBER, AspectType, Variable, VariableType
from schemas.cells import BUILDERS, Lists, Plan
from schemas.limits import DECODERS_KEPT_MAX
from schemas.one_record import OneReader, one_cell

_STRICT: dict[VariableType, Any] = {
    VariableType.BOOLEAN: bool,
    VariableType.INT: int,
    VariableType.LONG: int,
    VariableType.DOUBLE: float,
    VariableType.STRING: str,
    VariableType.BIG_STRING: str,
    VariableType.TIMESTAMP: str,
}
_STRICT_QUALITY: Any = int


_plans: dict[tuple[str, str, int], Plan] = {}


def plan_of(aspect: AspectType, record_bytes_max: int) -> Plan:
    """Give the compiled version, from the cache if it was seen before."""
    key = (aspect.tenant, aspect.id, aspect.version)
    plan = _plans.get(key)
    # A type that was deleted and made again may repeat a version, so the variables are compared too.
    if plan is not None and (plan.variables is aspect.variables or plan.variables == aspect.variables):
        return plan
    if len(_plans) >= DECODERS_KEPT_MAX:
        _plans.pop(next(iter(_plans)), None)
    plan = _compiled(aspect, record_bytes_max)
    _plans[key] = plan
    return plan


def _compiled(aspect: AspectType, record_bytes_max: int) -> Plan:
    row, fields = _row_type(aspect.variables, lenient=False)
    return Plan(
        variables=aspect.variables,
        builders=tuple(BUILDERS[variable.type] for variable in aspect.variables),
        members=tuple(
            (variable, is_quality)
            for variable in aspect.variables
            for is_quality in ((False, True) if variable.quality_code else (False,))
        ),
        doubles=tuple(one.id for one in aspect.variables if one.type is VariableType.DOUBLE),
        strict=_reader(row, fields),
        lenient=_reader(*_row_type(aspect.variables, lenient=True)),
        one=_one_reader(aspect.variables, row),
        byte_rule_can_break=aspect.record_bytes_max > record_bytes_max,
    )


def _row_type(variables: Sequence[Variable], *, lenient: bool) -> tuple[type[msgspec.Struct], list[str]]:
    """Make the struct of one record, and the names of its fields in the order of `Plan.members`."""
    extra: Any = str | UnsetType | None if lenient else UnsetType | None
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [("t", str)]
    names = {"t": TIME_MEMBER}
    for place, variable in enumerate(variables):
        fields.append((f"v{place}", _STRICT[variable.type] | extra, UNSET))
        names[f"v{place}"] = variable.name
        if variable.quality_code:
            fields.append((f"q{place}", _STRICT_QUALITY | extra, UNSET))
            names[f"q{place}"] = variable.quality_name
    row = msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=True, gc=False)
    return row, [field[0] for field in fields]


def _reader(row: type[msgspec.Struct], fields: Sequence[str]) -> Callable[[bytes], Lists]:
    """Make the function body → lists; it raises what msgspec raises."""
    decode = msgspec.json.Decoder(list[row]).decode  # type: ignore[valid-type]
    turn = _turner(fields)
    return lambda body: turn(decode(body))


def _one_reader(variables: Sequence[Variable], row: type[msgspec.Struct]) -> OneReader:
    """Make what reads bodies of one record, cells ascending by variable id."""
    cells = sorted(enumerate(variables), key=lambda each: each[1].id)
    fields = [name for place, one in cells for name in (f"v{place}", f"q{place}")[: 1 + one.quality_code]]
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(tuple[row]).decode  # type: ignore[valid-type]
    return OneReader(
        decode=decode,
        members=attrgetter("t", *fields),
        cells=tuple(one_cell(variable) for _, variable in cells),
    )


def _turner(fields: Sequence[str]) -> Callable[[Sequence[object]], Lists]:
    # An attribute that is written out is read twice as fast as one that is looked up by name, and this is
    # done for every value that comes in. The names are our own (t, v0, q0 …), none is a caller's.
    lists = [f"[row.{field} for row in rows]" for field in fields]
    source = f"lambda rows: Lists({lists[0]}, [{', '.join(lists[1:])}])"
    turn: Callable[[Sequence[object]], Lists] = eval(source, {"Lists": Lists})  # noqa: S307
    return turn
