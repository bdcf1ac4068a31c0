"""The state of one simulated tenant: its tables, its jobs and their clock, and its faults."""
