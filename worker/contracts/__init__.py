"""What goes over the wire, held to `schemas/` and to strict JSON. Every violation is named with its place."""

from worker.contracts.schemas import names, schema, violations
from worker.contracts.strict_json import parse

__all__ = ["names", "parse", "schema", "violations"]
