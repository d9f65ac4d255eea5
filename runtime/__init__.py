"""The place where things are joined: settings, clocks, logs, metrics, servers and the wiring.

Clocks, environment variables and child processes are met here and not below.
"""
