"""BMP180, pressure and temperature, from its data sheet: I2C address 0x77, integers and eleven constants."""

import struct

from agent.sensors.retries import tried

ADDRESS = 0x77
OVERSAMPLING = 3
"""Ultra high resolution: 0.03 hPa of noise, 25.5 ms."""

_CALIBRATION, _CONTROL, _RESULT = 0xAA, 0xF4, 0xF6
_TEMPERATURE_MS = 5
_PRESSURE_MS = (5, 8, 14, 26)
_SEA_LEVEL_PA = 101_325.0


def calibration_from(octets):
    """Read the 22 bytes of the sensor's own constants; ValueError for what no sensor has."""
    found = struct.unpack(">hhhHHHhhhhh", octets)
    if 0 in found or -1 in found or 0xFFFF in found:
        raise ValueError("no constants of a BMP180")
    return found


def converted(calibration, raw_temperature, raw_pressure, oversampling):
    """Give tenths of a degree Celsius and pascals, by the integer algorithm of the data sheet."""
    ac1, ac2, ac3, ac4, ac5, ac6, b1, b2, _, mc, md = calibration
    x1 = (raw_temperature - ac6) * ac5 >> 15
    if x1 + md == 0:
        raise ValueError("no reading of a BMP180")
    b5 = x1 + _divided(mc << 11, x1 + md)
    temperature = b5 + 8 >> 4
    b6 = b5 - 4000
    x3 = (b2 * (b6 * b6 >> 12) >> 11) + (ac2 * b6 >> 11)
    b3 = ((ac1 * 4 + x3 << oversampling) + 2) // 4
    x3 = (ac3 * b6 >> 13) + (b1 * (b6 * b6 >> 12) >> 16) + 2 >> 2
    b4 = ac4 * (x3 + 32_768) >> 15
    if b4 <= 0:
        raise ValueError("no reading of a BMP180")
    b7 = (raw_pressure - b3) * (50_000 >> oversampling)
    pressure = _divided(b7 * 2, b4)
    x1 = (pressure >> 8) * (pressure >> 8) * 3038 >> 16
    x2 = -7357 * pressure >> 16
    return temperature, pressure + (x1 + x2 + 3791 >> 4)


def altitude(pressure):
    """Give tenths of a metre above sea level, by the international barometric formula."""
    return round(443_300 * (1 - (pressure / _SEA_LEVEL_PA) ** (1 / 5.255)))


def _divided(above, below):
    """Divide as C does, towards zero."""
    quotient = abs(above) // abs(below)
    return quotient if (above < 0) == (below < 0) else -quotient


class Bmp180:
    """One sensor."""

    channels = (2, 3, 4)

    def __init__(self, bus, sleep_ms):
        """Take an I2C bus; the constants are read with the first reading."""
        self._bus, self._sleep_ms = bus, sleep_ms
        self._calibration = None
        self._result = bytearray(3)

    def read(self, values):
        """Fill in temperature, pressure and altitude; False where the sensor does not answer."""
        found = tried(self._measure, self._sleep_ms)
        if found is None:
            self._calibration = None  # what answers next may be another one
            return False
        values[2], values[3] = found
        values[4] = altitude(found[1])
        return True

    def _measure(self):
        if self._calibration is None:
            octets = bytearray(22)
            self._bus.readfrom_mem_into(ADDRESS, _CALIBRATION, octets)
            self._calibration = calibration_from(octets)
        result = self._result
        self._convert(0x2E, _TEMPERATURE_MS)
        raw_temperature = result[0] << 8 | result[1]
        self._convert(0x34 | OVERSAMPLING << 6, _PRESSURE_MS[OVERSAMPLING])
        raw_pressure = (result[0] << 16 | result[1] << 8 | result[2]) >> 8 - OVERSAMPLING
        return converted(self._calibration, raw_temperature, raw_pressure, OVERSAMPLING)

    def _convert(self, command, wait_ms):
        self._bus.writeto_mem(ADDRESS, _CONTROL, bytes((command,)))
        self._sleep_ms(wait_ms)
        self._bus.readfrom_mem_into(ADDRESS, _RESULT, self._result)
