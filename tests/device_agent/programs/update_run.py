"""An update from what the operator made, on a board that may lose power or be given something else.

    update_run.py FOLDER

FOLDER has `firmware.key` and `firmware/` as the tool made them; the board's own folders are made in it.
"""

import json
import os
import sys

from agent.firmware import FIRMWARE
from agent.update import BadUpdate, Update, is_signed
from checks import refuses, run
from slots import TRIES_MAX, Slots
from store import Store

FOLDER = sys.argv[1] + "/"


def read(name):
    with open(FOLDER + name, "rb") as file:
        return file.read()


KEY = read("firmware.key")
_made = [0]


def board():
    """Give a board that was never updated: its store and its root."""
    _made[0] += 1
    root = "%sboard-%d" % (FOLDER, _made[0])
    os.mkdir(root)
    os.mkdir(root + "/b")
    return Store(root), root + "/"


def fetched(update, change=lambda name, octets: octets, stop=None):
    """Give the update what it asks for; True when it has all."""
    assert update.is_wanted(FIRMWARE)
    for _ in range(100):
        name = update.path()
        if name == stop:
            return False
        octets = change(name, read("firmware/" + name))
        update.begin()
        for at in range(0, len(octets), 500):
            update.put(octets[at : at + 500])
        if update.end():
            return True
    return False


def check_signatures():
    """A signature holds for its message and its key, and for nothing else."""
    message, signature = read("firmware/manifest.json"), read("firmware/manifest.sig")
    assert is_signed(message, signature, KEY)
    assert not is_signed(message + b" ", signature, KEY)
    for at in (0, 100, 383):
        wrong = bytearray(signature)
        wrong[at] ^= 1
        assert not is_signed(message, bytes(wrong), KEY)
    assert not is_signed(message, signature[1:], KEY) and not is_signed(message, b"\xff" * 384, KEY)
    assert not is_signed(message, bytes(384), KEY) and not is_signed(message, bytes(383) + b"\x01", KEY)
    other = bytearray(KEY)
    other[5] ^= 4
    assert not is_signed(message, signature, bytes(other))


def check_an_update_is_tried_and_kept():
    """All files come into the spare folder; the next start tries it, and what works stays."""
    store, root = board()
    update = Update(root, Slots(store), KEY, FIRMWARE - 1)
    assert fetched(update)
    with open(root + "b/agent/sensors/bmp180.py", "rb") as file:
        assert file.read() == read("firmware/agent/sensors/bmp180.py")
    slots = Slots(store)
    assert slots.choose() == "b" and slots.is_trial
    slots.confirm()
    slots = Slots(store)
    assert slots.choose() == slots.kept["active"] == "b" and not slots.is_trial and slots.spare() == "a"
    assert not Update(root, slots, KEY, FIRMWARE).is_wanted(FIRMWARE)


def check_a_firmware_that_does_not_work_is_left_behind():
    """After three starts that showed nothing the old one runs again, and that number is not tried again."""
    store, root = board()
    assert fetched(Update(root, Slots(store), KEY, FIRMWARE - 1))
    starts = [Slots(store).choose() for _ in range(TRIES_MAX + 2)]
    assert starts == ["b"] * TRIES_MAX + ["a", "a"]
    update = Update(root, Slots(store), KEY, FIRMWARE - 1)
    assert not update.is_wanted(FIRMWARE) and update.is_wanted(FIRMWARE + 1)


def check_what_was_not_signed_is_refused():
    """A manifest, a signature or a file that somebody changed: nothing of it is tried, and it begins anew."""
    for target in ("manifest.json", "manifest.sig", "agent/journal.py"):
        store, root = board()
        update = Update(root, Slots(store), KEY, FIRMWARE - 1)

        def change(name, octets, target=target):
            return octets[:9] + b"0" + octets[10:] if name == target else octets

        assert refuses(BadUpdate, fetched, update, change), target
        update.forget()
        assert Slots(store).choose() == "a" and update.path() == "manifest.json"
        assert fetched(update)


def check_power_fails_in_the_middle():
    """What was fetched in part is fetched again; until all is there the old firmware runs."""
    store, root = board()
    assert not fetched(Update(root, Slots(store), KEY, FIRMWARE - 1), stop="agent/loop.py")
    assert Slots(store).choose() == "a"
    assert fetched(Update(root, Slots(store), KEY, FIRMWARE - 1))
    assert Slots(store).choose() == "b"


def check_what_is_not_wanted():
    """Nothing, the same, an older one, without a key, while one is on trial: nothing is fetched."""
    store, root = board()
    update = Update(root, Slots(store), KEY, FIRMWARE)
    assert (
        not update.is_wanted(None) and not update.is_wanted(FIRMWARE) and not update.is_wanted(FIRMWARE - 1)
    )
    assert not Update(root, Slots(store), None, 0).is_wanted(FIRMWARE)
    assert fetched(Update(root, Slots(store), KEY, FIRMWARE - 1))
    slots = Slots(store)
    slots.choose()
    assert not Update(root, slots, KEY, FIRMWARE - 1).is_wanted(FIRMWARE)


def check_files_are_bounded():
    """A file longer than any of ours, and a manifest of another number, end the update."""
    store, root = board()
    update = Update(root, Slots(store), KEY, FIRMWARE - 1)
    update.is_wanted(FIRMWARE)
    update.begin()
    assert refuses(BadUpdate, update.put, bytes(40_000))
    update.forget()
    update.is_wanted(FIRMWARE + 7)
    for name in ("manifest.json", "manifest.sig"):
        update.begin()
        update.put(read("firmware/" + name))
        if name == "manifest.sig":
            assert refuses(BadUpdate, update.end)
        else:
            update.end()
    assert json.loads(read("firmware/manifest.json"))["firmware"] == FIRMWARE


run(globals())
