"""Words of line protocol become values of a variable's type, or do not (IX-08)."""

import pytest

from schemas.aspects import Variable, VariableType
from schemas.lineprotocol.values import converted, looks_like

CASES = {
    VariableType.DOUBLE: (
        [("1.5", 1.5), ("7i", 7.0), ("+2u", 2.0), ("-0", -0.0), ("1e3", 1000.0), (".5", 0.5), ("0e9", 0.0)],
        ["t", '"1"', "nan", "inf", "1_0", "1e400", "1e-400", "١", "0x1", "1e127", "--1", ""],
    ),
    VariableType.INT: (
        [("7i", 7), ("7", 7), ("5.0", 5), ("-2147483648i", -(2**31))],
        ["5.5", "2147483648i", "t", '"7"', "7.5i", "1_0i"],
    ),
    VariableType.LONG: ([("9223372036854775807i", 2**63 - 1), ("1e3", 1000)], ["9223372036854775808u", "x"]),
    VariableType.BOOLEAN: ([("t", True), ("TRUE", True), ("false", False)], ["1", "tRUE", '"t"']),
    VariableType.STRING: (
        [('"a b"', "a b"), ('""', ""), ('"t"', "t")],
        ["a", "1", "t", '"a\0"', f'"{"x" * 300}"'],
    ),
    VariableType.TIMESTAMP: ([('"2020-01-01T00:00:00Z"', 1_577_836_800_000)], ["1", '"2020"', "t"]),
}


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("mixed", [False, True])
def test_words_that_are_values_and_words_that_are_none(kind, mixed):
    """Alone or among others, a word has the same meaning."""
    variable = Variable(name="v", type=kind, id=1)
    good, bad = CASES[kind]
    words = [word for word, _ in good] + (bad if mixed else [])
    words = [word for word in words if word]

    found = converted(variable, words)

    faulty = [False] * len(words) if found.faulty is None else found.faulty.tolist()
    assert [False] * len(good) + [True] * (len(words) - len(good)) == faulty
    values = found.values if isinstance(found.values, list) else found.values.tolist()
    assert [value for _, value in good] == values[: len(good)]


@pytest.mark.parametrize(
    "word", ["1" * 400_000 + "x", "0" * 400_000 + "1e-999", "0." + "0" * 400_000 + "1e-999"]
)
def test_hostile_words_take_time_in_proportion(word):
    """Digits without number are read once, whatever follows them (S9)."""
    found = converted(Variable(name="v", type=VariableType.DOUBLE, id=1), [word, "1.5"])

    assert [True, False] == found.faulty.tolist()


def test_new_variables_look_like_their_first_word():
    """Text, truth, whole number with its suffix, and every other number."""
    looks = [looks_like(word) for word in ('"x"', "t", "7i", "7", "1.5", "x", "nan")]

    kinds = VariableType.STRING, VariableType.BOOLEAN, VariableType.LONG, VariableType.DOUBLE
    assert [*kinds, VariableType.DOUBLE, None, None] == looks
