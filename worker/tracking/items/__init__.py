"""Queue items that are followed, through their retries to the end."""
