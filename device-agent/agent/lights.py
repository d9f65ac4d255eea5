"""What the three lights of a board say at a moment (TB-48). Pure."""

LOST, JOINED, OPEN = 0, 1, 2
"""States of the network: looked for, there, own access point."""


def lights(up_ms, network, are_sensors_found, sample_age_ms, sample_ms, is_sending):
    """Give whether the lights for network, sensors and requests are on.

    Network: 1 Hz while it is looked for, 4 Hz as access point, else on. Sensors: 1 Hz while they are looked
    for, else on but for the first tenth of each sample. Requests: on while one is under way.
    """
    slow, fast = up_ms // 500 % 2 == 0, up_ms // 125 % 2 == 0
    by_network = (slow, True, fast)[network]
    by_sensors = sample_age_ms * 10 >= sample_ms if are_sensors_found else slow
    return by_network, by_sensors, is_sending
