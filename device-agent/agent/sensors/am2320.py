"""AM2320, temperature and humidity, by its data sheet: I2C address 0x5C, a register protocol with CRC-16."""

from agent.sensors.retries import tried

ADDRESS = 0x5C
_READ_FOUR = b"\x03\x00\x04"
_ANSWER_BYTES = 8
_CONVERSION_MS = 2
"""1.5 ms between the question and its answer."""


def crc16(octets):
    """Give the check sum of the data sheet (that of Modbus); its low byte is sent first."""
    crc = 0xFFFF
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def converted(answer):
    """Read the eight bytes of an answer: tenths of degrees Celsius and percent; ValueError if damaged."""
    if len(answer) != _ANSWER_BYTES or answer[0] != 3 or answer[1] != 4:
        raise ValueError("no answer of an AM2320")
    if crc16(answer[:6]) != answer[6] | answer[7] << 8:
        raise ValueError("the check sum is wrong")
    humidity, temperature = answer[2] << 8 | answer[3], answer[4] << 8 | answer[5]
    if temperature & 0x8000:  # sign and size, no two's complement
        temperature = -(temperature & 0x7FFF)
    return temperature, humidity


class Am2320:
    """One sensor; it sleeps between readings."""

    channels = (0, 1)

    def __init__(self, bus, sleep_ms):
        """Take an I2C bus."""
        self._bus, self._sleep_ms = bus, sleep_ms
        self._answer = bytearray(_ANSWER_BYTES)

    def read(self, values):
        """Fill in temperature and humidity; False where the sensor does not answer."""
        found = tried(self._measure, self._sleep_ms)
        if found is not None:
            values[0], values[1] = found
        return found is not None

    def _measure(self):
        try:
            self._bus.writeto(ADDRESS, b"\x00")
        except OSError:
            pass  # the call that wakes it is never acknowledged
        self._bus.writeto(ADDRESS, _READ_FOUR)
        self._sleep_ms(_CONVERSION_MS)
        self._bus.readfrom_into(ADDRESS, self._answer)
        return converted(self._answer)
