"""How the board itself is, as samples of a source of its own, by the channels of `agent.channels`. Pure."""


def readings(memory, journal, clock, rssi, sensor_faults, upload_failures, firmware):
    """Give the values by channel; `memory` is (used, free) in bytes, `rssi` None while there is no link."""
    return [
        memory[0],
        memory[1],
        journal.backlog,
        journal.lost,
        journal.boots,
        clock.offset_ms,
        rssi,
        sensor_faults,
        upload_failures,
        firmware,
    ]
