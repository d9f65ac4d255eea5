"""How the variables of an aspect type are changed one by one, and what that does to stored records (TB-77).

Pure: a change is applied to a type and gives the next one, unchecked; `effects_of` compares the two. A
variable keeps its number through every change, and stored columns are known by numbers (design 3.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from schemas.aspects import DYNAMIC, AspectType, Variable, VariableType

ADDED, REMOVED, RENAMED = "added", "removed", "renamed"
WIDENED, LENGTHENED, UNIT_CHANGED = "widened", "lengthened", "unitChanged"

_STORED = {
    ADDED: "Records that are stored have no value of it.",
    REMOVED: "Its values stay stored and are no longer shown; a later variable of this name starts without.",
    RENAMED: "Its stored values are shown under the new name.",
    WIDENED: "Stored values are shown as the wider type; nothing is rewritten.",
    LENGTHENED: "Stored values stay as they are.",
    UNIT_CHANGED: "Stored numbers stay as they are; they are not converted.",
}
_ROUNDED = "Stored values are shown as the wider type; whole numbers beyond 2^53 are rounded."
_STATIC = {
    ADDED: "Assets show its default value until they have one of their own.",
    REMOVED: "Assets no longer show it; it can go while none of them has a value of its own.",
    RENAMED: "Assets show it under the new name; it can have one while none of them has a value of its own.",
}


class Effect(NamedTuple):
    """What happens to one variable, and to what is stored of it."""

    variable: str
    """Its name before the change; the new name of one that is added."""
    effect: str
    name: str | None
    """Its name after the change; None where it is gone."""
    stored: str
    """For people."""


def changed(old: AspectType, changes: Mapping[str, Mapping[str, Any] | None]) -> AspectType:
    """Apply changes, by the name of the variable: the members that change, or None to remove it.

    A new variable needs its type (`type`), else KeyError; to remove one that is not there does nothing.
    Nothing is checked, new variables have no number yet.
    """
    variables = []
    for variable in old.variables:
        members = changes.get(variable.name, {})
        if members is not None:
            variables.append(msgspec.structs.replace(variable, **members))
    for name, members in changes.items():
        if members is not None and old.variable(name) is None:
            variables.append(Variable(**{"name": name, **members}))
    return msgspec.structs.replace(old, variables=tuple(variables))


def effects_of(old: AspectType, new: AspectType) -> list[Effect]:
    """List what becomes of the variables between two versions that have their numbers."""
    after = {variable.id: variable for variable in new.variables}
    before = {variable.id for variable in old.variables}
    effects: list[Effect] = []
    for variable in old.variables:
        now = after.get(variable.id)
        if now is None:
            effects.append(_effect(variable.name, REMOVED, None, old.category))
        else:
            effects += [
                _effect(variable.name, effect, now.name, old.category, _widening(variable, now))
                for effect in _differences(variable, now)
            ]
    added = [variable for variable in new.variables if variable.id not in before]
    return effects + [_effect(variable.name, ADDED, variable.name, old.category) for variable in added]


def _differences(old: Variable, new: Variable) -> Iterator[str]:
    if new.name != old.name:
        yield RENAMED
    if new.type is not old.type:
        yield WIDENED
    elif new.characters_max > old.characters_max:
        yield LENGTHENED
    if new.unit != old.unit:
        yield UNIT_CHANGED


def _widening(old: Variable, new: Variable) -> str:
    return _ROUNDED if (old.type, new.type) == (VariableType.LONG, VariableType.DOUBLE) else _STORED[WIDENED]


def _effect(variable: str, effect: str, name: str | None, category: str, widening: str = "") -> Effect:
    if effect == WIDENED:
        return Effect(variable, effect, name, widening)
    words = _STORED if category == DYNAMIC else _STORED | _STATIC
    return Effect(variable, effect, name, words[effect])
