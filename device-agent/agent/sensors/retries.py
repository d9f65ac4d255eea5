"""The one way to read a sensor that may fail: again after 0, 1, 2, 4, … milliseconds (TB-49), then not."""

RETRIES_MAX = 5


def tried(measure, sleep_ms):
    """Give what `measure()` gives; None after so many OSErrors or ValueErrors."""
    pause_ms = 0
    for _ in range(RETRIES_MAX):
        try:
            return measure()
        except (OSError, ValueError):
            sleep_ms(pause_ms)
            pause_ms = pause_ms * 2 or 1
    return None
