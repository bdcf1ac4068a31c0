"""Stop requests: jobs are stopped, and what has not been started is cancelled."""
