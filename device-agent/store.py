"""Small things that outlive the power: one JSON file each, replaced in one step."""

import json
import os


class Store:
    """Files of a folder, by name."""

    def __init__(self, folder):
        """Take a folder that is there."""
        self._folder = folder

    def load(self, name):
        """Read what was saved last; None if nothing was."""
        try:
            with open(self._path(name)) as file:
                return json.load(file)
        except (OSError, ValueError):
            return None

    def save(self, name, value):
        """Replace what is there; after a power loss it is the old or the new, never half of it."""
        path = self._path(name)
        with open(path + ".new", "w") as file:
            json.dump(value, file)
        os.rename(path + ".new", path)

    def _path(self, name):
        return self._folder + "/" + name + ".json"
