"""Which of two firmwares runs: the one that works, or for a few starts a new one that is to show it does.

Each has a folder of its own, `a` and `b`. This file and `main.py` are written once, with the board, and never
updated; so a firmware that cannot even be imported is left behind after three starts. Pure.
"""

NAME = "slots"
FOLDERS = ("a", "b")
TRIES_MAX = 3


class Slots:
    """The two folders; `kept` outlives the power."""

    def __init__(self, store):
        """Take the store; a board that was never updated runs the first folder."""
        self._store = store
        self.kept = store.load(NAME) or {"active": FOLDERS[0], "trial": None, "tries": 0, "refused": 0}
        self.is_trial = False

    def choose(self):
        """Give the folder that this start runs."""
        kept = self.kept
        if kept["trial"] is None:
            return kept["active"]
        if kept["tries"] >= TRIES_MAX:
            self._keep(trial=None, tries=0, refused=kept["trial"])
            return kept["active"]
        self._keep(tries=kept["tries"] + 1)
        self.is_trial = True
        return self.spare()

    def spare(self):
        """Give the folder that is not the active one."""
        return FOLDERS[1 - FOLDERS.index(self.kept["active"])]

    def begin(self, firmware):
        """Let the spare folder, which is whole now, be tried from the next start on."""
        self._keep(trial=firmware, tries=0)

    def confirm(self):
        """Say that the firmware on trial works: it is the active one from now on."""
        if self.is_trial:
            self._keep(active=self.spare(), trial=None, tries=0)
            self.is_trial = False

    def _keep(self, **changed):
        new = dict(self.kept)
        new.update(changed)
        self._store.save(NAME, new)
        self.kept = new
