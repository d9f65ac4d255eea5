"""JSON read to the letter: nothing that the sender wrote is rounded, merged or let pass.

The typed decoders take most bodies; what they refuse or cannot judge is read here once more. Numbers stay
the text that was sent, objects keep every member (also twice), and whatever RFC 8259 does not know is
refused: NaN, a byte order mark, bytes that are not UTF-8, nesting without end (design 8.10).
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import NoReturn

from schemas.errors import Malformed
from schemas.limits import DOUBLE_MAGNITUDE_BELOW, DOUBLE_MAGNITUDE_MIN, INTEGER_DIGITS_MAX

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"-?[0-9]+")
_BOM = "\ufeff"


class Number(str):
    """A number as it was written."""

    __slots__ = ()


class Members(list[tuple[str, object]]):
    """An object: every member in the order of the text, repeated ones included."""

    __slots__ = ()


def parse_json(body: bytes) -> object:
    """Read a whole body into lists, `Members`, `Number`, str, bool and None; Malformed otherwise."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"Byte {error.start} is not UTF-8; send the body in UTF-8.") from None
    if text.startswith(_BOM):
        raise Malformed("The body begins with a byte order mark; send it without.")
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise Malformed(f"The body is not JSON: {error.msg} at character {error.pos}.") from None
    except RecursionError:
        raise Malformed("The body is nested too deep.") from None


def _refuse_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not a JSON number; leave the value out.")


_decoder = json.JSONDecoder(
    object_pairs_hook=Members, parse_float=Number, parse_int=Number, parse_constant=_refuse_constant
)


def is_number(text: str) -> bool:
    """Tell whether the text follows the grammar of a JSON number (design 8.20)."""
    return _NUMBER.fullmatch(text) is not None


def read_double(text: str) -> float | None:
    """Read a number in the range of DOUBLE (MS-05); None if it is none, too large, or too small but not 0."""
    if _NUMBER.fullmatch(text) is None:
        return None
    number = float(text)
    if number == 0.0:
        if not _is_zero(text):
            return None
        return 0.0 if _WHOLE.fullmatch(text) else number  # -0 is the integer zero, -0.0 keeps its sign
    return number if DOUBLE_MAGNITUDE_MIN <= abs(number) < DOUBLE_MAGNITUDE_BELOW else None


_TINY_FORMS = (b"e-", b"E-", b"0" * 200)


def has_tiny_form(body: bytes) -> bool:
    """Tell whether a zero read from the body may be a number too small for a double (design 8.10).

    Such a number has a negative exponent, or so many zeros that it needs none.
    """
    return any(form in body for form in _TINY_FORMS)


def read_integer(text: str, least: int, most: int) -> int | None:
    """Read a whole number between the bounds, exactly; 5.0 is one, 5.5 is not (design 8.20)."""
    if _NUMBER.fullmatch(text) is None:
        return None
    if _WHOLE.fullmatch(text) is not None:
        number = int(text) if len(text) <= INTEGER_DIGITS_MAX else None
    else:
        number = _whole_of_decimal(text)
    return number if number is not None and least <= number <= most else None


def _is_zero(text: str) -> bool:
    mantissa = text.lower().partition("e")[0]
    return not mantissa.strip("-0.")


def _whole_of_decimal(text: str) -> int | None:
    try:
        exact = Decimal(text)
    except InvalidOperation:  # an exponent beyond 10^18
        return 0 if _is_zero(text) else None
    if not exact:
        return 0
    # Below 0 it is a fraction, above 20 no LONG; in between the number of digits to write out is small.
    if not 0 <= exact.adjusted() <= INTEGER_DIGITS_MAX:
        return None
    number = int(exact)
    return number if number == exact else None
