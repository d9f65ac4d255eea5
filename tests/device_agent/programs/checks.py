"""Runs the checks of a program, on whatever interpreter it is started."""

import sys


def run(names):
    """Call every `check_…` of a module in the order of their names, and say so."""
    count = 0
    for name in sorted(names):
        if name.startswith("check_"):
            names[name]()
            count += 1
    sys.stdout.write("ok: %d checks\n" % count)


def refuses(kind, act, *given):
    """Tell whether a call raises this."""
    try:
        act(*given)
    except kind:
        return True
    return False
