"""What time it is, and how far that can be believed: set by the network, held since, or counted from a guess.

Times are milliseconds since 1970 (TB-59). Two samples never have the same one: times that are given out are
even or odd, and after a step back, when old times come again, it is the other of the two. A step is made only
where two answers agree or the server itself says so; a small step back is waited out.

Before the first answer time goes on from where the journal ends, and samples say that it is a guess; at the
first answer the journal is told by how much all of this start were wrong.

`ticks_ms` counts up and may wrap, `ticks_diff` takes two of its counts apart (MicroPython's own do so). Pure.
"""

import struct

from agent.frames import HELD, SYNCED, UNSYNCED

HELD_AFTER_MS = 24 * 3600 * 1000
"""A crystal of 50 ppm is off by four seconds then."""

AGREE_MS = 250
"""Two answers that agree: the error of a round trip over a bad link, twice."""

STEP_MS = 2000
"""What is less is waited out instead of stepping back."""

SANE_MS = 1_767_225_600_000
"""2026: no answer before it is true."""

_NTP_EPOCH_S = 2_208_988_800
_NTP_TRIP_MS_MAX = 2000


class Clock:
    """The clock of one start of the board."""

    def __init__(self, ticks_ms, ticks_diff, floor_ms):
        """Take the counter, and the latest time that the journal knows."""
        self._ticks_ms = ticks_ms
        self._ticks_diff = ticks_diff
        self._ticks = ticks_ms()
        self._up_ms = 0
        self._base_ms = floor_ms + 2
        self._era = floor_ms & 1
        self._last_ms = floor_ms
        self._set_at_ms = None
        self._offered = None
        self.offset_ms = 0
        """By how much the last answer differed."""

    def up_ms(self):
        """Give the milliseconds since the start; call it more often than the counter wraps."""
        ticks = self._ticks_ms()
        self._up_ms += self._ticks_diff(ticks, self._ticks)
        self._ticks = ticks
        return self._up_ms

    def now_ms(self):
        """Give the time as well as it is known."""
        return self._base_ms + self.up_ms()

    def is_set(self):
        """Tell whether anybody has said what time it is."""
        return self._set_at_ms is not None

    def is_settled(self):
        """Tell whether no answer stands open that another one is to confirm."""
        return self.is_set() and self._offered is None

    def quality(self):
        """Tell how good a time is that is read now."""
        if self._set_at_ms is None:
            return UNSYNCED
        return HELD if self.up_ms() - self._set_at_ms > HELD_AFTER_MS else SYNCED

    def stamp(self):
        """Give a time for a sample, which no other sample has."""
        time_ms = (self.now_ms() & ~1) | self._era
        if time_ms <= self._last_ms:
            time_ms = self._last_ms + 2
        self._last_ms = time_ms
        return time_ms

    def offer(self, true_ms, proven):
        """Hear what time it is; `proven`: by the server itself, else a second answer must agree.

        Give by how much the times of this start were wrong where this is the first that is believed, so that
        the journal mends them; else None.
        """
        if true_ms < SANE_MS:
            return None
        offset_ms = true_ms - self.now_ms()
        if not proven and not self._agrees(offset_ms):
            self._offered = offset_ms
            return None
        self._offered = None
        self.offset_ms = offset_ms
        was_set, self._set_at_ms = self.is_set(), self.up_ms()
        if was_set:
            self._move(offset_ms)
            return None
        # Even, so that guessed times stay even or odd as they are; odd where they run through old times.
        delta_ms = offset_ms & ~1 if offset_ms >= 0 else offset_ms | 1
        self._base_ms += delta_ms
        self._last_ms += delta_ms
        self._era ^= delta_ms & 1
        return delta_ms

    def _agrees(self, offset_ms):
        if self.is_set() and abs(offset_ms) < AGREE_MS:
            return True
        return self._offered is not None and abs(offset_ms - self._offered) <= AGREE_MS

    def _move(self, offset_ms):
        self._base_ms += offset_ms
        if offset_ms < -STEP_MS:
            self._era ^= 1
            self._last_ms = 0


def ntp_request(cookie):
    """Write a question of 48 bytes; the eight of the cookie come back in the answer."""
    return b"\x23" + bytes(39) + cookie


def ntp_ms(answer, cookie, trip_ms):
    """Read an answer that came after so many milliseconds: what time it was then; None for others."""
    if len(answer) < 48 or trip_ms > _NTP_TRIP_MS_MAX or answer[24:32] != cookie:
        return None
    leap, mode, stratum = answer[0] >> 6, answer[0] & 7, answer[1]
    if leap == 3 or mode != 4 or not 0 < stratum < 16:
        return None
    received_ms, sent_ms = _stamp_ms(answer, 32), _stamp_ms(answer, 40)
    return sent_ms + max(0, trip_ms - (sent_ms - received_ms)) // 2


def _stamp_ms(packet, at):
    seconds, fraction = struct.unpack_from(">II", packet, at)
    if seconds < _NTP_EPOCH_S:
        seconds += 1 << 32  # the count begins anew in 2036
    return (seconds - _NTP_EPOCH_S) * 1000 + (fraction * 1000 >> 32)


def time_text(time_ms):
    """Write a time as RFC 3339 with milliseconds; boards disagree on where `gmtime` begins, so by hand."""
    days, rest = divmod(time_ms, 86_400_000)
    # Years that begin in March end with the leap day (civil calendar, eras of 400 years).
    days += 719_468
    era, day = divmod(days, 146_097)
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    month += 3 if month < 10 else -9
    year += era * 400 + (1 if month <= 2 else 0)
    hours, rest = divmod(rest, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % (
        year, month, day + 1, hours, minutes, rest // 1000, rest % 1000,
    )  # fmt: skip
