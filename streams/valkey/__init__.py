"""The Valkey and Redis adapter of the stream port (Valkey 8 or newer, Redis 7 or newer).

The scripts are in `streams/lua`; `connection` speaks the protocol, `scripts` knows keys and scripts,
`lanes` is the group commit, `stream` the adapter. Nothing outside imports more than what stands here.
"""

from streams.valkey.stream import ValkeyRecordStream

__all__ = ["ValkeyRecordStream"]
