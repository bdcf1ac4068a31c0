"""A fleet of trackers under load: very many jobs in flight, one tracker killed, and a verdict on every job.

`scripts/track` runs it large, `test_fleet.py` small. It looks from outside: at events, processes and calls.
"""
