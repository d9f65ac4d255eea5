"""The worker process: arguments, signals, supervision."""
