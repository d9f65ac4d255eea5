"""Puts the parts together: the one place where they meet, on a board and off it."""

from agent.config import NAME, Settings, settings_from
from agent.http import Link
from agent.identity import Identity
from agent.loop import Agent
from agent.uplink import Uplink


def composed(board, network, sensors, journal, clock, store, random, update):
    """Begin a start of the board; `network.dial(address, tend)` reaches the agent's only address."""
    journal.begin()
    identity = Identity(store)
    agents = []
    link = Link(lambda: network.dial(identity.base(), agents[0].tend))
    uplink = Uplink(link, identity, clock, journal, store, _settings(store), random, update)
    agents.append(Agent(board, network, sensors, journal, clock, uplink, update))
    return agents[0]


def _settings(store):
    kept = store.load(NAME)
    if kept is not None:
        try:
            return settings_from(kept)
        except (KeyError, TypeError, ValueError):
            pass  # what another firmware kept; the server has it still
    return Settings()
