"""The network between a worker and what it talks to, which can be held, cut and watched."""
