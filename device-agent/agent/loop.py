"""The board's one loop: a sample when it is due, before anything else; then the link, the time, the server.

Whatever waits for the network calls `tend` while it waits, so that samples keep their times through a slow
upload. `board` gives `sleep_ms`, `feed` (the watchdog), `collect`, `memory`, `show` (three lights); `network`
gives `tend`, `state`, `rssi` and `ntp_ms`. Nothing in here knows a pin.

Memory: a collection before each request, and after a sample where less than a quarter is free (TB-58).
Automatic collection stays on behind that, after so much garbage as `main.py` says: a pause of milliseconds at
a bad moment is better than a sample that is not taken.
"""

from agent.channels import HEALTH, WEATHER
from agent.config import Screen
from agent.health import readings
from agent.lights import JOINED, lights

NTP_MS = 3_600_000
NTP_RETRY_MS = 2_000
NTP_FIRST_TRIES = 5
"""Without an answer to so many the server's own clock is asked, by asking it for a token."""

NTP_RARE_MS = 60_000
"""And then nobody is asked more often: samples wait for an answer that does not come, a second or longer."""

TRIAL_MS = 3_600_000
"""A new firmware that has not sent anything by then has used up one of its starts."""

IDLE_MS_MAX = 50
"""The lights blink at 4 Hz."""


class Agent:
    """All that a start of the board does."""

    def __init__(self, board, network, sensors, journal, clock, uplink, update):
        """Take the parts."""
        self._board, self._network, self._sensors = board, network, sensors
        self._journal, self._clock, self._uplink = journal, clock, uplink
        self._update = update
        self._screen = Screen()
        self._values = [None] * max(sensor.channels[-1] + 1 for sensor in sensors)
        self._sample_due_ms = self._health_due_ms = self._ntp_due_ms = self._uplink_due_ms = 0
        self._sampled_ms = 0
        self._ntp_tries = 0
        self.sensor_faults = 0
        """Readings that failed, since the start."""
        self._is_found = False

    def run(self):
        """Go on for ever."""
        while True:
            self._board.sleep_ms(self.turn())

    def turn(self):
        """Do what is due; give the milliseconds after which to call again."""
        self.tend()
        self._network.tend()
        if self._uplink.is_updated or (self._update.slots.is_trial and self._clock.up_ms() > TRIAL_MS):
            self._board.restart()
        if self._network.state() == JOINED:
            self._set_clock()
            now_ms = self._clock.up_ms()
            is_time_known = self._clock.is_set() or self._ntp_tries >= NTP_FIRST_TRIES
            if is_time_known and now_ms >= self._uplink_due_ms:
                self._board.collect()
                self._uplink_due_ms = self._clock.up_ms() + self._uplink.step()
        return min(IDLE_MS_MAX, max(0, self._sample_due_ms - self._clock.up_ms()))

    def tend(self):
        """Take the samples that are due, feed the watchdog, set the lights; quick enough to call anywhere."""
        self._board.feed()
        now_ms = self._clock.up_ms()
        settings = self._uplink.settings
        if now_ms >= self._sample_due_ms:
            self._sample_due_ms = _next_due(self._sample_due_ms, now_ms, settings.sample_ms)
            self._sampled_ms = now_ms
            self._sample(settings)
        if now_ms >= self._health_due_ms:
            self._health_due_ms = _next_due(self._health_due_ms, now_ms, settings.health_ms)
            self._report()
        self._board.show(
            *lights(
                now_ms,
                self._network.state(),
                self._is_found,
                now_ms - self._sampled_ms,
                settings.sample_ms,
                self._uplink.is_sending,
            )
        )

    def _sample(self, settings):
        values, clock = self._values, self._clock
        for place in range(len(values)):
            values[place] = None
        faults = 0
        for sensor in self._sensors:
            if not sensor.read(values):
                faults += 1
        self.sensor_faults += faults
        self._is_found = faults < len(self._sensors)
        if self._screen.take(settings, WEATHER, values):
            self._uplink.urgent = True
            self._uplink_due_ms = 0
        if any(value is not None for value in values):
            self._journal.append(WEATHER, clock.quality(), clock.stamp(), values)
        used, free = self._board.memory()
        if used >= 3 * free:
            self._board.collect()

    def _report(self):
        values = readings(
            self._board.memory(),
            self._journal,
            self._clock,
            self._network.rssi(),
            self.sensor_faults,
            self._uplink.failures_ever,
            self._update.firmware,
        )
        self._journal.append(HEALTH, self._clock.quality(), self._clock.stamp(), values)

    def _set_clock(self):
        now_ms = self._clock.up_ms()
        if now_ms < self._ntp_due_ms:
            return
        true_ms = self._network.ntp_ms()
        self._ntp_tries += 1
        if true_ms is not None:
            delta_ms = self._clock.offer(true_ms, False)
            if delta_ms is not None:
                self._journal.mend(delta_ms)
        if self._clock.is_settled():
            pause_ms = NTP_MS
        else:
            pause_ms = NTP_RETRY_MS if true_ms or self._ntp_tries < NTP_FIRST_TRIES else NTP_RARE_MS
        self._ntp_due_ms = self._clock.up_ms() + pause_ms


def _next_due(due_ms, now_ms, every_ms):
    """Keep the rhythm; where some were missed, those are left out."""
    return due_ms + ((now_ms - due_ms) // every_ms + 1) * every_ms
