"""The door: HTTP and nothing else.

Requests are authorised, validated by `schemas` and appended to `streams`; answers are read through `storage`.
"""
