"""A file type is checked once, every problem at once; presets are lawful, documents round-trip (SM-03)."""

import msgspec
import pytest

from schemas.errors import TooLarge
from schemas.filetypes.checking import check_file_type
from schemas.filetypes.model import FileType
from schemas.filetypes.patterns import Work, against_pattern
from schemas.filetypes.presets import PRESETS

LAWFUL = {"name": "a", "timeColumns": ["t"]}

CASES = [
    ({}, []),
    ({"timeColumns": []}, ["/timeColumns"]),
    ({"timeColumns": [""]}, ["/timeColumns"]),
    ({"delimiter": ""}, ["/delimiter"]),
    ({"delimiter": "ab"}, ["/delimiter"]),
    ({"delimiter": "\n"}, ["/delimiter"]),
    ({"delimiterPattern": r"\s+"}, []),
    ({"delimiterPattern": r";\s*|\t"}, []),
    ({"delimiterPattern": r"\s*;"}, ["/delimiterPattern"]),
    ({"delimiterPattern": "("}, ["/delimiterPattern"]),
    ({"delimiterPattern": "x*"}, ["/delimiterPattern"]),
    ({"delimiterPattern": "(;)"}, ["/delimiterPattern"]),
    ({"delimiterPattern": "a.{0,9}.{0,9};"}, ["/delimiterPattern"]),
    ({"quote": ",,"}, ["/quote"]),
    ({"quote": "", "multiline": True}, ["/multiline"]),
    ({"encoding": "hex"}, ["/encoding"]),
    ({"encoding": "punycode"}, ["/encoding"]),
    ({"encoding": "unicode_escape"}, ["/encoding"]),
    ({"encoding": "utf-16"}, []),
    ({"decimalComma": True}, ["/decimalComma"]),
    ({"decimalComma": True, "delimiter": ";"}, []),
    ({"columns": ["t"], "headerLine": 2}, ["/columns"]),
    ({"columns": ["x"]}, ["/timeColumns"]),
    ({"columns": ["t", "x" * 300]}, ["/columns"]),
    ({"unitsRow": 1}, ["/unitsRow"]),
    ({"unitsRow": 1, "statisticsRow": 3, "skipRows": 2}, ["/statisticsRow"]),
    ({"timeFormats": ["%Y", "%Q"]}, ["/timeFormats/1"]),
    ({"zone": "Mars/Base"}, ["/zone"]),
    ({"zone": "+05:45"}, []),
    ({"narrow": {"sensor": "a", "value": "a"}}, ["/narrow"]),
    ({"format": "tinyflux", "narrow": {"sensor": "a", "value": "b"}}, ["/narrow"]),
    ({"newColumns": "extend"}, ["/newColumns"]),
    ({"newColumns": "extend", "aspect": "x"}, []),
    ({"description": "x" * 256}, ["/description"]),
    ({"rules": [{"skip": True}]}, ["/rules/0"]),
    ({"rules": [{"column": "a", "sensors": True}]}, ["/rules/0"]),
    ({"rules": [{"column": "a"}, {"pattern": "(a+)+"}]}, ["/rules/1/pattern"]),
    ({"rules": [{"pattern": "(?P<h>.+)", "variable": "v{x}"}]}, ["/rules/0/variable"]),
    ({"rules": [{"column": "a", "variable": "1a"}]}, ["/rules/0/variable"]),
    ({"quote": "ab", "zone": "x", "rules": [{}]}, ["/quote", "/zone", "/rules/0"]),
]


@pytest.mark.parametrize(("more", "pointers"), CASES)
def test_every_problem_of_a_file_type_is_told(more: dict, pointers: list[str]) -> None:
    """Each problem names its place in the document."""
    file_type = msgspec.convert(LAWFUL | more, FileType)

    assert pointers == [problem.pointer for problem in check_file_type(file_type)]


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|aa)*", "(a?){30}", "(?:x{1,20}){1,20}", r"(.)\1", "(?=a)b", "a?" * 20, ".*" * 4, "a" * 300,
     "[", "(" * 2000, "(?:(?:){9999}){9999}", "(?P<a>){99}", r"(?:\b){99}"],
)  # fmt: skip
def test_patterns_that_could_run_for_ever_are_refused(pattern: str) -> None:
    """A repeat in a repeat, many choices, looking around: what can take more than a moment is not taken."""
    assert against_pattern(pattern)


@pytest.mark.parametrize(
    "pattern", [r"(?P<q>\w+) (?P<h>\d+)m (?P<d>\d+)deg", "(?:WS|WD)_.*", "a?b{3}", "x(?:-y)?"]
)
def test_patterns_of_names_are_taken(pattern: str) -> None:
    """What names of columns need is taken."""
    assert not against_pattern(pattern)


def test_patterns_that_multiply_are_not_matched() -> None:
    """What is taken by itself is refused before it runs where names and patterns make too much of it (S9)."""
    hostile = ".*.*.*" + ".{0,10}" * 5 + "x"
    work = Work()

    assert not against_pattern(hostile)
    assert work.match(hostile, "abcx") is not None
    with pytest.raises(TooLarge, match="too long over the names"):
        work.match(hostile, "a" * 255)


def test_usual_patterns_match_thousands_of_names() -> None:
    """Fifty rules over a thousand columns are nothing to speak of."""
    work = Work()
    for number in range(50_000):
        assert work.match(r"WS(?P<height>\d+)\.(?P<boom>\d+)_?(?P<what>.*)", f"WS{number}.7_average")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_lawful_and_survives_its_documents(name: str) -> None:
    """Every preset can be read by, written as JSON and as TOML, and read back."""
    preset = PRESETS[name]

    assert [] == check_file_type(preset)
    assert preset == msgspec.json.decode(msgspec.json.encode(preset), type=FileType)
    document = "\n".join(_toml(msgspec.to_builtins(preset)))
    assert preset == msgspec.toml.decode(document, type=FileType)


def _toml(document: dict) -> list[str]:
    """Write the members of a file type; tables last, as TOML wants it."""
    plain = {key: value for key, value in document.items() if key not in {"rules", "narrow"}}
    lines = _members(plain)
    if "narrow" in document:
        lines += ["[narrow]", *_members(document["narrow"])]
    for rule in document.get("rules", []):
        lines += ["[[rules]]", *_members(rule)]
    return lines


def _members(table: dict) -> list[str]:
    """Write the members of one table; what JSON writes of texts and lists, TOML reads."""
    there = {key: value for key, value in table.items() if value is not None}
    return [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in there.items()]


@pytest.mark.parametrize(
    "document", [b'{"name":"A"}', b'{"name":"a","delimeter":","}', b'{"name":"a","headerLine":0}']
)
def test_unknown_members_and_values_are_refused(document: bytes) -> None:
    """A misspelt member is an error, not a default."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(document, type=FileType)
