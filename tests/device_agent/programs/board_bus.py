"""An I2C bus with both sensors on it, by their data sheets, and with the examples from there in them."""

import struct

SHEET = (408, -72, -14383, 32741, 32757, 23153, 6190, 4, -32768, -8711, 2868)


class Bus:
    """An I2C bus with both sensors, of which one may be damaged."""

    def __init__(self):
        self.fails = 0
        self.am2320 = bytearray(b"\x03\x04\x01\xf4\x00\xfa\x31\xa5")
        self.command = 0
        self.woken = False

    def writeto(self, address, octets):
        assert address == 0x5C
        if octets == b"\x00":
            self.woken = True
            raise OSError("no acknowledgement")
        assert self.woken and octets == b"\x03\x00\x04"

    def readfrom_into(self, address, buffer):
        self.woken = False
        if self.fails:
            self.fails -= 1
            raise OSError("silent")
        buffer[:] = self.am2320

    def readfrom_mem_into(self, address, register, buffer):
        assert address == 0x77
        if self.fails:
            self.fails -= 1
            raise OSError("silent")
        if register == 0xAA:
            buffer[:] = struct.pack(">hhhHHHhhhhh", *SHEET)
        elif self.command == 0x2E:
            buffer[:2] = struct.pack(">H", 27898)
        else:
            assert self.command == 0xF4
            buffer[:] = (23843 << 8).to_bytes(3, "big")

    def writeto_mem(self, address, register, octets):
        assert (address, register) == (0x77, 0xF4)
        self.command = octets[0]
