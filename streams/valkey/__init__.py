"""The Valkey and Redis adapters of the stream and notice ports (Valkey 8 or newer, Redis 7 or newer).

The scripts are in `streams/lua`; `connection` speaks the protocol, `scripts` knows keys and scripts,
`lanes` is the group commit, `stream` and `notices` are the adapters. Nothing outside imports more than what
stands here.
"""

from streams.valkey.notices import ValkeyNoticeLog
from streams.valkey.stream import ValkeyRecordStream

__all__ = ["ValkeyNoticeLog", "ValkeyRecordStream"]
