"""The measurement of validation runs, and what it measures is right."""

import json

from bench.validation import ASPECT, cases, main, validate
from schemas.render import render_records


def test_every_case_is_taken_and_reads_back():
    """Each compared body is lawful, and reads back as the numbers that it says."""
    for label, records in cases(40):
        read = json.loads(render_records(validate(json.dumps(records).encode()), ASPECT))
        if "string" not in label:
            assert records == read
        assert [record["_time"] for record in records] == [record["_time"] for record in read]


def test_prints_a_line_a_case(capsys):
    """The script prints every case with a rate."""
    main(rows=20, seconds=0.001)
    assert capsys.readouterr().out.count("M records/s") == 6
