"""What Arrow may take of a process that reads files; loading this module loads the library."""

from __future__ import annotations

import pyarrow as pa


def bound_arrow(threads: int) -> None:
    """Let it take memory from the system and start so many threads, of each of its two kinds.

    Its own pool maps a whole gigabyte at its first use, and it starts a thread for each core.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    pa.set_cpu_count(threads)
    pa.set_io_thread_count(threads)
