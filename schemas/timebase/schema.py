"""What a stream is to clients of TimeBase: its type and fields, the statement that makes it (TB-70). Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from schemas.aspects import Variable, VariableType
from schemas.timebase.streams import Stream


class _DataType(NamedTuple):
    name: str
    encoding: str | None
    statement: str


_TYPES: Final = {
    VariableType.BOOLEAN: _DataType("BOOLEAN", None, "BOOLEAN"),
    VariableType.INT: _DataType("INTEGER", "INT32", "INTEGER SIGNED (32)"),
    VariableType.LONG: _DataType("INTEGER", "INT64", "INTEGER SIGNED (64)"),
    VariableType.DOUBLE: _DataType("FLOAT", "IEEE64", "FLOAT BINARY (64)"),
    VariableType.STRING: _DataType("VARCHAR", "UTF8", "VARCHAR"),
    VariableType.BIG_STRING: _DataType("VARCHAR", "UTF8", "VARCHAR MULTILINE"),
    VariableType.TIMESTAMP: _DataType("DATETIME", None, "TIMESTAMP"),
}


class FieldType(msgspec.Struct):
    """The type of a field."""

    name: str
    encoding: str | None
    nullable: bool = True


class MessageField(msgspec.Struct, rename="camel"):
    """A field of a type."""

    name: str
    title: str
    description: str
    type: FieldType
    static: bool = False
    hide: bool = False
    value: str | None = None
    primary_key: bool = False
    relative_to: str | None = None


class MessageType(msgspec.Struct, rename="camel"):
    """A type of messages."""

    name: str
    title: str
    fields: list[MessageField]
    parent: str | None = None
    is_enum: bool = False
    is_abstract: bool = False


class StreamSchema(msgspec.Struct):
    """The types of a stream: here always one."""

    types: list[MessageType]
    all: list[MessageType]


def schema_of(stream: Stream) -> StreamSchema:
    """Describe the messages of a stream."""
    only = MessageType(
        stream.type_name,
        stream.aspect_type.description,
        [_field(variable) for variable in stream.aspect_type.variables],
    )
    return StreamSchema([only], [only])


def statement_of(stream: Stream) -> str:
    """Write the statement that would make such a stream."""
    fields = ",\n".join(
        f"        {_quoted(variable.name)} {_TYPES[variable.type].statement}"
        for variable in stream.aspect_type.variables
    )
    types = f"    CLASS {_quoted(stream.type_name)} (\n{fields}\n    )"
    return f"DURABLE STREAM {_quoted(stream.key)} (\n{types}\n)"


def _field(variable: Variable) -> MessageField:
    kind = _TYPES[variable.type]
    return MessageField(variable.name, variable.name, variable.unit, FieldType(kind.name, kind.encoding))


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
