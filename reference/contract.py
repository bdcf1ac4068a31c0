"""`schemas/asyncapi.yaml`: the messages, exchanges and queues of a deployment, as AsyncAPI 3.0.

Names and keys come from the topology, messages and examples from the schemas; only the prose is written here.
"""

import tomllib
from pathlib import Path
from typing import Any

import orjson
import yaml

from reference.headers import DEAD_LETTER, EVENT, REQUEST
from reference.prose import ABOUT, HOW, RAW, SERVERS, WHERE
from worker.broker.topology import Topology
from worker.contracts import schema
from worker.contracts.schemas import root
from worker.domain.jobs import JobState
from worker.domain.requests import Kind
from worker.domain.words import ProcessingStatus

ROOT = Path(__file__).resolve().parent.parent
TOPOLOGY = Topology("jobrelay")
UNKNOWN_STATE = "unknown"
_AMQP = {"bindingVersion": "0.3.0"}
_ENDINGS = {"state": JobState, "status": ProcessingStatus}
_WHOSE = {"state": "job's", "status": "item's"}
_FORM = "application/schema+json;version=draft-2020-12"
OF_QUEUES = {"deadLetters": TOPOLOGY.dead_letters, "audit": TOPOLOGY.audit}


def asyncapi() -> str:
    """The document as YAML."""
    head = "# Written by scripts/docs from the code and the schemas beside this file: change those.\n"
    text = yaml.dump(document(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return head + str(text)


def document() -> dict[str, Any]:
    """The document. Payloads refer to the schema files beside it, so that there is one text of each."""
    names = {name: _camel(name) for folder in ("requests", "events") for name in schemas(folder)}
    return {
        "asyncapi": "3.0.0",
        "info": _info(),
        "defaultContentType": "application/json",
        "servers": SERVERS,
        "channels": _channels(),
        "operations": _operations(),
        "components": {
            "messages": {
                **{camel: _message(name) for name, camel in names.items()},
                "deadLetter": RAW | {"headers": _ref("schemas", "deadLetterHeaders")},
            },
            "schemas": {
                "requestHeaders": REQUEST,
                "eventHeaders": EVENT,
                "deadLetterHeaders": DEAD_LETTER,
            },
            "securitySchemes": {
                "user": {"type": "userPassword", "description": "A user of RabbitMQ (SASL PLAIN)."},
                "certificate": {"type": "X509", "description": "A client certificate (SASL EXTERNAL)."},
            },
        },
    }


def schemas(folder: str) -> list[str]:
    """The names of the schemas in one folder, `requests` or `events`, in alphabetical order."""
    return sorted(file.stem for file in (root() / folder).glob("*.json"))


def examples(name: str) -> dict[str, str]:
    """The texts of a schema's valid examples, by their names."""
    files = sorted((root() / "examples" / name).glob("*.json"))
    return {file.stem: file.read_text() for file in files}


def routing_key(name: str) -> str:
    """The key that messages of this schema are published with; `{state}` and `{status}` stand for its `endings`."""
    return str(schema(name)["x-routing-key"])


def _info() -> dict[str, Any]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {
        "title": "Jobrelay",
        "version": project["version"],
        "description": ABOUT,
        "license": {"name": project["license"]},
    }


def _channels() -> dict[str, Any]:
    requests = {_camel(name): _routed(TOPOLOGY.requests, name) for name in schemas("requests")}
    events = {_camel(name): _routed(TOPOLOGY.events, name) for name in schemas("events")}
    told = _messages(*events)
    return {
        **requests,
        **events,
        "replies": {"address": None, **WHERE["replies"], "messages": told},
        "deadLetters": _queue("deadLetters", _messages("deadLetter")),
        "audit": _queue("audit", _messages(*requests, *events, "deadLetter")),
    }


def _routed(exchange: str, name: str) -> dict[str, Any]:
    key = routing_key(name)
    queue = TOPOLOGY.of_requests()[Kind(key)] if exchange == TOPOLOGY.requests else None
    (kind,) = (e.type for e in TOPOLOGY.exchanges() if e.name == exchange)
    routed = {"name": exchange, "type": kind, "durable": True, "autoDelete": False, "vhost": "/"}
    return {
        "address": key,
        "title": schema(name)["title"],
        "description": f"Comes to the queue {queue}." if queue else "Bind a queue of your own with this key.",
        "messages": _messages(_camel(name)),
        **_parameters(key),
        "bindings": {"amqp": {"is": "routingKey", "exchange": routed, **_AMQP}},
    }


def endings(key: str) -> dict[str, list[str]]:
    """The words that *key* may end in, by the name in braces that it ends with; none where it has no such name."""
    return {
        name: [*(word.lower() for word in words), UNKNOWN_STATE]
        for name, words in _ENDINGS.items()
        if key.endswith(f"{{{name}}}")
    }


def _parameters(key: str) -> dict[str, Any]:
    parameters = {
        name: {"enum": words, "description": f"The {_WHOSE[name]} {name}, in lower case."}
        for name, words in endings(key).items()
    }
    return {"parameters": parameters} if parameters else {}


def _queue(channel: str, messages: dict[str, Any]) -> dict[str, Any]:
    queue = {
        "name": OF_QUEUES[channel],
        "durable": True,
        "exclusive": False,
        "autoDelete": False,
        "vhost": "/",
    }
    return {
        "address": OF_QUEUES[channel],
        **WHERE[channel],
        "messages": messages,
        "bindings": {"amqp": {"is": "queue", "queue": queue, **_AMQP}},
    }


def _operations() -> dict[str, Any]:
    reply = {"address": HOW["reply"], "channel": _ref("channels", "replies")}
    asked = {"deliveryMode": 2, "mandatory": True, "ack": True, **_AMQP}
    told = {"deliveryMode": 2, "mandatory": False, **_AMQP}
    return {
        **{
            f"receive{_title(name)}": _operation("receive", name, asked) | {"reply": reply}
            for name in schemas("requests")
        },
        **{f"send{_title(name)}": _operation("send", name, told) for name in schemas("events")},
        "sendDeadLetter": {"action": "send", "channel": _ref("channels", "deadLetters"), **HOW["bury"]},
        "keepAudit": {"action": "send", "channel": _ref("channels", "audit"), **HOW["audit"]},
    }


def _operation(action: str, name: str, amqp: dict[str, Any]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": _ref("channels", _camel(name)),
        "title": schema(name)["title"],
        "summary": told(name),
        "bindings": {"amqp": amqp},
    }


def told(name: str) -> str:
    """What a message of this schema says, without where it is published, which is told beside it."""
    return str(schema(name)["description"]).partition(" Published to the exchange ")[0]


def _message(name: str) -> dict[str, Any]:
    event = name in schemas("events")
    folder = "events" if event else "requests"
    correlation = "/data/requestId" if event else "/requestId"
    return {
        "name": name,
        "title": schema(name)["title"],
        "summary": told(name),
        "contentType": "application/cloudevents+json" if event else "application/json",
        "correlationId": {
            "location": f"$message.payload#{correlation}",
            "description": "The sender's own name for the request.",
        },
        "headers": _ref("schemas", "eventHeaders" if event else "requestHeaders"),
        "payload": {"schemaFormat": _FORM, "schema": {"$ref": f"./{folder}/{name}.json"}},
        "examples": [
            {"name": example, "payload": orjson.loads(text)} for example, text in examples(name).items()
        ],
    }


def _messages(*camels: str) -> dict[str, Any]:
    return {camel: _ref("components/messages", camel) for camel in camels}


def _ref(where: str, name: str) -> dict[str, str]:
    place = where if "/" in where or where == "channels" else f"components/{where}"
    return {"$ref": f"#/{place}/{name}"}


def _title(name: str) -> str:
    """`job-created.v1` as `JobCreated`."""
    return "".join(part.capitalize() for part in name.partition(".")[0].split("-"))


def _camel(name: str) -> str:
    return _title(name)[0].lower() + _title(name)[1:]


class _Dumper(yaml.SafeDumper):
    """Writes every text out, also one that stands twice: readers of the document do not follow anchors."""

    def ignore_aliases(self, _: object) -> bool:
        """Nothing is an alias."""
        return True


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _block)
