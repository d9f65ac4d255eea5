"""The job queue on RQ: one queue a worker, JSON, with retries."""
