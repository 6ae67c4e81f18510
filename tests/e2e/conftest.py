"""One served relay per module over one scripted upstream; tests make members of their own."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import openai
import pytest
from tests.e2e.stage import Scene, Stage, staged

from posthouse.testing.served import ServedRelay
from posthouse.testing.upstream import ScriptedUpstream


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(credential="sk-upstream-credential") as upstream:
        yield upstream


@pytest.fixture(scope="module")
def relay(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRelay]:
    directory: Path = tmp_path_factory.mktemp("relay")
    with ServedRelay(directory, upstream.base_url) as relay:
        yield relay


@pytest.fixture(autouse=True)
def _fresh_upstream(upstream: ScriptedUpstream) -> Iterator[None]:
    yield
    upstream.reset()


_numbers = count(1)


@pytest.fixture
def email() -> str:
    """A member's address that no other test has."""
    return f"member{next(_numbers)}@example.org"


@pytest.fixture
def key(relay: ServedRelay, email: str) -> str:
    """The key of a member with 10 of credit."""
    return relay.member(email, credit="10")


@pytest.fixture
def client(relay: ServedRelay, key: str) -> Iterator[openai.OpenAI]:
    """The official client, as a member sets it up; it tries once."""
    with openai.OpenAI(base_url=relay.base_url, api_key=key, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture
def scene(stage: Stage, capfd: pytest.CaptureFixture[str]) -> Iterator[Scene]:
    """Channels and a member that no other test has; what must hold after any call is checked in the end."""
    scene = Scene(stage)
    yield scene
    scene.check()
    log = "".join(capfd.readouterr())
    for word in ("call_crashed", "Traceback", "never retrieved", "Fatal error", "[error", '"level":"error"'):
        assert word not in log, log
