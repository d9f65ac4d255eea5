"""The page that compares our command with the dialect's names only commands that there are (MS-91)."""

import re
from pathlib import Path

from cli.main import main
from cli.reference import _commands

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli-parity.md").read_text("utf-8")
COMMANDS = {path for path, _ in _commands("aspectstore", main)}


def named():
    """Give each command that the page names, up to its first option."""
    return {found.split(" --")[0].strip() for found in re.findall(r"`(aspectstore [^`]+)`", PAGE)}


def test_each_command_of_the_page_exists():
    """A command that is renamed or taken away is noticed here, and none is invented."""
    assert named() <= COMMANDS


def test_options_of_the_page_exist():
    """An option behind a command is one of that command."""
    commands = dict(_commands("aspectstore", main))
    for words in re.findall(r"`(aspectstore [^`]+)`", PAGE):
        path, *options = words.split(" --")
        known = {name for parameter in commands[path].params for name in parameter.opts}
        assert {f"--{option}" for option in options} <= known, words


def test_every_command_of_the_dialects_client_has_a_line():
    """Those of MS-91, by their names there, whether there is something for them here or not."""
    lines = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    listed = set(re.findall(r"`([a-z-]+)[^`]*`", " ".join(lines)))

    assert {
        "assets", "aspects", "asset-types", "timeseries", "aggregates", "prepare-bulk", "run-bulk",
        "check-bulk", "download-bulk", "create-agent", "onboard", "configure-agent", "agent-status", "tenant",
        "subtenants",
    } <= listed  # fmt: skip


def test_every_command_that_manages_tenants_and_accounts_is_on_the_page():
    """What only our command does is told, too."""
    groups = ("aspectstore tenant", "aspectstore user", "aspectstore client", "aspectstore token")

    assert {path for path in COMMANDS if path.startswith(groups)} <= named()
