"""What a file of readings looks like, declared; and its bytes read into arrays by that declaration.

Bytes go in, arrays come out: nothing here opens a file, asks a clock or knows a store. The way of a file is
`unpacking` → `reading` (a reader a format) → `mapping`; `preview` shows the same without doing it.
"""
