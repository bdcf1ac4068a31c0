"""The defaults of the settings, and what they add up to."""

from worker.settings import Settings

DEFAULT = {name: field.default for name, field in Settings.model_fields.items()}
WINDOW_PARTS_S = (DEFAULT["http_timeout_s"], 3 * (DEFAULT["heartbeat_s"] + 1), DEFAULT["commit_slack_s"])
WINDOW_S = sum(WINDOW_PARTS_S)
"""How long a POST of a killed worker's may still take effect."""
