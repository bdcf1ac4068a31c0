"""CloudEvents 1.0 over AMQP: how one is known, written in its body (structured) or by headers (binary)."""

CONTENT_TYPE = "application/cloudevents+json"
"""Of a structured one."""

PREFIXES = ("cloudEvents_", "cloudEvents:", "ce-")
"""What stands before an attribute's name in the headers of a binary one; the first is how it is written."""
