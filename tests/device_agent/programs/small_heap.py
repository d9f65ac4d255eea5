"""Imported first: what compiling leaves is collected at once, or what stays would lie all over the heap."""

import gc

GARBAGE_BYTES_MAX = 16_384

if hasattr(gc, "threshold"):
    gc.threshold(GARBAGE_BYTES_MAX)
