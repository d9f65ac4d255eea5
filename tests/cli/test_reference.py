"""The reference pages say what the code does: they are generated, committed, and compared here."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.main import main
from cli.reference import PAGES, _commands, commands_page
from runtime import settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_what_the_code_says(name):
    """A page that differs from the code fails here; `python -m cli.reference` writes it anew."""
    assert PAGES[name]() == (ROOT / name).read_text("utf-8")


def test_every_command_and_option_is_on_its_page():
    """No command and no option is missing, and each option says what it does."""
    page = commands_page()
    for path, command in _commands("aspectstore", main):
        assert f"## `{path}`" in page
        assert command.help, path
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.opts[-1] in page
                assert parameter.help, f"{path} {parameter.opts[-1]}"


def test_service_options_are_settings():
    """Each option of `serve` is a setting of the same name, so it is a variable and a line of the file."""
    names = {name for name, *_ in settings.describe()}
    for command in ("serve", "door", "worker", "init"):
        options = [one for one in main.commands[command].params if isinstance(one, click.Option)]
        assert {one.name for one in options} <= names


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "--listen", "8080"),
        ("serve", "--store", "mysql://x"),
        ("serve", "--durability", "never"),
        ("door", "--stream", "kafka://x"),
        ("worker", "roller"),
        ("serve", "--no-such-option"),
        ("no-such-command",),
        ("load", "no-such-file", "--asset", "a", "--aspect", "b"),
        ("load",),
        ("read", "--asset", "a", "--aspect", "b", "--limit", "0"),
    ],
)
def test_wrong_calls_end_with_2_and_no_traceback(arguments):
    """Whatever is wrong with a call: exit code 2 and words."""
    result = CliRunner().invoke(main, arguments)

    assert result.exit_code == 2
    assert result.stderr
    assert "Traceback" not in result.stderr
