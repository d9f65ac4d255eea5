"""Sensors by their data sheets, lights, settings and thresholds, the small files."""

import os
import struct

from agent.channels import HEALTH, WEATHER
from agent.config import Screen, Settings, settings_from
from agent.lights import JOINED, LOST, OPEN, lights
from agent.sensors import am2320, bmp180
from agent.sensors.am2320 import Am2320
from agent.sensors.bmp180 import Bmp180
from board_bus import SHEET, Bus
from checks import refuses, run
from store import Store


def check_the_worked_example_of_the_bmp180():
    """UT = 27898 and UP = 23843 are 15.0 °C and 69964 Pa, which is 3016.7 m."""
    assert bmp180.converted(SHEET, 27898, 23843, 0) == (150, 69964)
    assert bmp180.altitude(69964) == 30167
    assert bmp180.altitude(101_325) == 0


def check_constants_that_no_sensor_has_are_refused():
    """A bus that reads zeros or ones is no sensor."""
    for octets in (bytes(22), b"\xff" * 22):
        assert refuses(ValueError, bmp180.calibration_from, octets)
    assert bmp180.calibration_from(struct.pack(">hhhHHHhhhhh", *SHEET)) == SHEET


def check_the_example_of_the_am2320():
    """03 04 01 F4 00 FA has the check sum 31 A5: 50.0 %, 25.0 °C; a set sign bit is below zero."""
    answer = b"\x03\x04\x01\xf4\x00\xfa\x31\xa5"
    assert am2320.crc16(answer[:6]) == 0xA531
    assert am2320.converted(answer) == (250, 500)
    cold = b"\x03\x04\x01\xf4\x80\x65"
    crc = am2320.crc16(cold)
    assert am2320.converted(cold + bytes((crc & 0xFF, crc >> 8))) == (-101, 500)
    assert refuses(ValueError, am2320.converted, answer[:5] + b"\x00" + answer[6:])
    assert refuses(ValueError, am2320.converted, b"\x03\x03" + answer[2:])


def check_sensors_fill_in_their_channels():
    """Both fill in their own places, after a failure too, with pauses of 0, 1, 2 … ms (TB-49)."""
    bus, slept, values = Bus(), [], [None] * 5
    bus.fails = 3
    assert Am2320(bus, slept.append).read(values) and slept[-1] == 2
    assert Bmp180(bus, slept.append).read(values)
    assert values[:3] == [250, 500, 150] and abs(values[3] - 69964) < 20, values
    assert slept[1:6:2] == [0, 1, 2], slept


def check_a_sensor_that_is_gone_leaves_its_channels_empty():
    """After so many tries the reading is given up, and the board goes on."""
    bus, values = Bus(), [None] * 5
    bus.fails = 99
    assert not Am2320(bus, lambda _: None).read(values)
    assert not Bmp180(bus, lambda _: None).read(values)
    assert values == [None] * 5


def check_lights():
    """1 Hz, 4 Hz, solid; off for the first tenth of a sample; requests (TB-48)."""
    network = [
        [lights(ms, state, True, 999, 1000, False)[0] for ms in range(0, 1000, 125)] for state in (0, 1, 2)
    ]
    assert (LOST, JOINED, OPEN) == (0, 1, 2)
    assert network[0] == [True] * 4 + [False] * 4 and all(network[1]) and network[2] == [True, False] * 4
    assert lights(0, JOINED, True, 199, 2000, False)[1] is False
    assert lights(0, JOINED, True, 200, 2000, False)[1] is True
    assert lights(500, JOINED, False, 500, 2000, True)[1:] == (False, True)


def configuration(**custom):
    point = {"id": "DP-1", "customData": {"channel": "am2320_temp", "deadband": 0.5, "max": 40}}
    other = {"id": "bmp180_pressure"}
    gap = {"id": "DP-gap", "customData": {"channel": "gap"}}
    unknown = {"id": "DP-9", "customData": {"channel": "anything"}}
    sources = [{"dataPoints": [point, other, unknown], "customData": custom}, {"dataPoints": [gap]}]
    return {"eTag": "7", "configurationId": "CF-1", "dataSources": sources}


def check_settings():
    """Rhythms, mapping and thresholds are read; what is out of bounds is bounded, the rest left alone."""
    settings = settings_from(configuration(sampleMs=1, postMs=60_000, healthMs="x"))
    assert (settings.sample_ms, settings.post_ms, settings.health_ms) == (500, 60_000, 300_000)
    assert settings.points.names[WEATHER] == ["DP-1", None, None, "bmp180_pressure", None]
    assert settings.points.names[HEALTH] == [None] * 10 and settings.points.gap == "DP-gap"
    assert settings.thresholds == {(0, 0): (5, None, 400)} and settings.etag == "7"
    assert Settings().points.names[0][0] == "am2320_temp"


def check_thresholds():
    """Within the deadband a value is left out; beyond a bound it is kept and urgent."""
    settings, screen = settings_from(configuration()), Screen()
    taken = []
    for value in (200, 204, 206, 401, 402):
        values = [value, 1]
        taken.append((screen.take(settings, 0, values), values[0]))
    assert taken == [(False, 200), (False, None), (False, 206), (True, 401), (True, 402)], taken


def check_bounds_that_nothing_reaches():
    """The greatest double, and what is no number: a board goes on, and leaves such a bound alone."""
    point = {"id": "am2320_temp", "customData": {"max": 1e308, "min": -1e308, "deadband": True}}
    settings = settings_from(dict(configuration(), dataSources=[{"dataPoints": [point]}]))
    assert settings.thresholds == {(0, 0): (None, -10_000_000_000, 10_000_000_000)}, settings.thresholds
    assert not Screen().take(settings, WEATHER, [20_000, None])


def check_files_are_replaced_in_one_step():
    """A file that was cut or is not there counts as none; the last one that was saved whole counts."""
    folder = "/tmp/agent-store-%d" % id(check_lights)
    os.mkdir(folder)
    store = Store(folder)
    assert store.load("a") is None
    store.save("a", {"x": [1, "ü"]})
    with open(folder + "/a.json.new", "w") as file:
        file.write('{"x": [2')
    assert store.load("a") == {"x": [1, "ü"]}
    os.remove(folder + "/a.json.new")
    with open(folder + "/a.json", "w") as file:
        file.write('{"x": [2')
    assert store.load("a") is None
    os.remove(folder + "/a.json")
    os.rmdir(folder)


run(globals())
