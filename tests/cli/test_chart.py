"""`chart` against a stand-in of the service: what is drawn, and what cannot be."""

import pytest

from tests.client.fake_service import FakeService


@pytest.fixture
def fake():
    """Give an empty stand-in."""
    return FakeService()


@pytest.fixture
def loaded(run, tmp_path):
    """Load a file into `mast`, aspect `wind`, with these lines."""

    def load(*rows):
        path = tmp_path / "wind.csv"
        path.write_text("\n".join(["time,speed,label", *rows]) + "\n")
        done = run("load", path, "--asset", "mast", "--aspect", "wind", "--create", "--zone", "UTC")
        assert done.exit_code == 0, done.output

    return load


def chart(run, variable="speed", asset="mast"):
    """Draw it."""
    return run("chart", "--asset", asset, "--aspect", "wind", "--variable", variable)


def test_a_variable_is_drawn_from_its_first_value_to_its_last(run, loaded):
    """The least and the greatest stand at the edge, the times below; an absent value is left out."""
    loaded("2026-01-01 00:00:00,1.5,a", "2026-01-01 00:10:00,,b", "2026-01-01 00:20:00,4.5,c")

    shown = chart(run)

    assert shown.exit_code == 0, shown.output
    first, *_, lowest, said = shown.output.splitlines()
    assert first.lstrip().startswith("4.5 ┤")
    assert lowest.lstrip().startswith("1.5 ┤")
    assert said.startswith("2 values of speed, 2026-01-01T00:00:00")
    assert "to 2026-01-01T00:20:00" in said


@pytest.mark.parametrize(
    ("variable", "asset", "words"),
    [
        ("label", "mast", "label has no numbers"),
        ("speed", "mast", "1 values of speed there; a line needs two"),
        ("speed", "tower", "no asset 'tower'"),
    ],
)
def test_what_cannot_be_drawn_is_said(run, loaded, variable, asset, words):
    """One line and exit code 2, as everything that a person can mend."""
    loaded("2026-01-01 00:00:00,1.5,a", "2026-01-01 00:10:00,,b")

    shown = chart(run, variable, asset)

    assert shown.exit_code == 2
    assert words in shown.output
