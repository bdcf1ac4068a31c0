"""`docs/settings.md`: every setting with its default, form and meaning, as `worker/settings.py` has them."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import SecretStr, StringConstraints
from pydantic.fields import FieldInfo

from reference.events import table
from worker.settings import NEEDED_BY, Settings

PREFIX = Settings.model_config["env_prefix"]
_TOP = f"""\
# Settings

<!-- Written by scripts/docs from worker/settings.py: change that. -->

Each is an environment variable that begins with `{PREFIX}`: `{PREFIX}AMQP_URL`. Each can be a file as well, in the folder
that `{PREFIX}SECRETS_DIR` names, by its whole name in lower case; the environment wins. Put secrets into files, as an
environment is seen by whoever may look at the process. A setting that is wrong or missing stops the start with a line
that names it; a variable with the prefix that is no setting is warned of. No secret is ever printed.
"""
_BESIDE = f"""\
Read beside the settings: `{PREFIX}SECRETS_DIR`, the folder of the files; and OpenTelemetry's own variables, of which
`OTEL_EXPORTER_OTLP_ENDPOINT` turns tracing on ([tracing](tracing.md)).
"""
_BY_AUTH = "Beside `ORCHESTRATOR_URL`, what the way of signing in takes must be there:\n"


def page() -> str:
    """The page as Markdown."""
    needs = (
        (f"`{auth}`", ", ".join(f"`{name.upper()}`" for name in names)) for auth, names in NEEDED_BY.items()
    )
    settings = table(("setting", "default", "form", "meaning", "secret: its file"), _rows())
    return "\n".join([_TOP, settings, _BY_AUTH, table(("`AUTH`", "needs"), needs), _BESIDE])


def _rows() -> Iterator[tuple[str, ...]]:
    for name, its in Settings.model_fields.items():
        kinds = [*_kinds(its.annotation)]
        file = f"`{PREFIX.lower()}{name}`" if SecretStr in kinds else ""
        yield f"`{name.upper()}`", _default(its), _form(name, kinds, its.metadata), str(its.description), file


def _default(its: FieldInfo) -> str:
    return "required" if its.is_required() else "" if its.default is None else f"`{its.default}`"


def _form(name: str, kinds: list[Any], limits: list[Any]) -> str:
    """The kind of value in a few words, with its bounds."""
    words = [f"`{kind}`" for kind in kinds if isinstance(kind, str)]
    if words:
        return " or ".join(words)
    patterns = [f"`{one.pattern}`" for one in limits if isinstance(one, StringConstraints)]
    if not {int, float} & {*kinds}:
        return "".join(["text", *(f" {pattern}" for pattern in patterns)])
    kind = "seconds" if name.endswith("_s") else "whole number" if int in kinds else "number"
    return f"{kind} {_bounds(limits)}".strip()


def _bounds(limits: list[Any]) -> str:
    least = [f"≥ {one.ge}" for one in limits if isinstance(one, Ge)]
    above = [f"> {one.gt}" for one in limits if isinstance(one, Gt)]
    most = [f"≤ {one.le}" for one in limits if isinstance(one, Le)]
    return ", ".join([*least, *above, *most])


def _kinds(annotation: Any) -> Iterator[Any]:
    """The types and literal words that an annotation is made of, None left out."""
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    elif parts := get_args(annotation):
        for part in parts:
            yield from _kinds(part)
    elif annotation is not type(None):
        yield annotation
