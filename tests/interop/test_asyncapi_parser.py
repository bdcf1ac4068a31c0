"""AsyncAPI's own parser reads schemas/asyncapi.yaml. It brings 55 MB, so that it is asked for by name."""

import json
from pathlib import Path
from typing import Any

import pytest
from npm import node_modules, required
from program import ran

from reference.contract import schemas
from worker.contracts import schema
from worker.contracts.schemas import root

_PARSE = Path(__file__).parent / "asyncapi" / "parse.js"
_WORSE_THAN_A_HINT = (0, 1)  # an error, a warning


@pytest.mark.requires("node")
async def test_the_official_parser_takes_the_document() -> None:
    """Without an error or a warning, with every message and the schema that it refers to."""
    if not required("asyncapi"):
        pytest.skip("JOBRELAY_REQUIRE does not name asyncapi, for which npm fetches @asyncapi/parser")
    said = await _parsed(root() / "asyncapi.yaml")
    assert [one for one in said["diagnostics"] if one["severity"] in _WORSE_THAN_A_HINT] == []
    payloads = {one["name"]: one["payload"] for one in said["messages"] if one["name"] != "dead-letter"}
    assert {*payloads} == {*schemas("requests"), *schemas("events")}
    for name, payload in payloads.items():
        assert payload["schema"]["properties"].keys() == schema(name)["properties"].keys()
    assert dict(said["operations"]).keys() >= {"receiveStartJob", "sendJobState"}


async def _parsed(file: Path) -> Any:
    code, printed, complaints = await ran("node", _PARSE, file, NODE_PATH=str(node_modules("asyncapi")))
    assert code == 0, complaints
    return json.loads(printed)
