"""Where settings stand: a TOML file, the environment, and files that hold secrets.

Values are read as they stand; `runtime.settings` converts and checks them. Every ValueError names the place
and the remedy, and shows no secret. `secrets` says of each known name whether it is one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path


def from_file(path: Path, secrets: Mapping[str, bool], *, must_be: bool) -> dict[str, object]:
    """Read the settings file; one that is not there has none, unless somebody named it."""
    if not path.exists():
        if must_be:
            raise ValueError(f"the settings file {path} does not exist; correct ASPECTSTORE_CONFIG")
        return {}
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"the settings file {path} cannot be read: {error}") from None
    return _with_secrets(content, str(path), secrets)


def from_environ(
    environ: Mapping[str, str], prefix: str, apart: Collection[str], secrets: Mapping[str, bool]
) -> dict[str, object]:
    """Read the variables that begin with the prefix, but those that belong to somebody else."""
    given: dict[str, object] = {
        name.removeprefix(prefix).lower(): text
        for name, text in environ.items()
        if name.startswith(prefix) and name not in apart
    }
    return _with_secrets(given, "the environment", secrets, prefix)


def _with_secrets(
    given: Mapping[str, object], place: str, secrets: Mapping[str, bool], prefix: str = ""
) -> dict[str, object]:
    """Read `x_file` for secrets and refuse every name that is no setting."""
    values: dict[str, object] = {}
    for name, value in given.items():
        base = name.removesuffix("_file")
        shown = prefix + (name.upper() if prefix else name)
        if name in secrets:
            values[name] = value
        elif secrets.get(base):
            values[base] = _read_secret(shown, str(value))
        else:
            known = ", ".join(sorted(secrets))
            raise ValueError(f"{shown} in {place} is no setting; known are: {known}")
    return values


def _read_secret(shown: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise ValueError(f"{shown}: the file cannot be read: {error}") from None
