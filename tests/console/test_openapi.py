"""console/openapi.json, which the console's types are made of, is what the API says of itself."""

import json
from pathlib import Path

from posthouse.api.app import make_app

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "console" / "openapi.json"


def test_the_document_is_the_apis() -> None:
    assert json.loads(DOCUMENT.read_text("utf-8")) == json.loads(json.dumps(make_app().openapi())), (
        "run scripts/console openapi"
    )
