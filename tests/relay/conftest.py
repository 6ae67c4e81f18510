"""Upstreams on loopback, and the stage that calls to them are played on."""

from collections.abc import Iterator
from functools import partial

import pytest
from tests.upstream.certificates import Authority
from tests.upstream.stage import LOOPS, Play, play_on

from posthouse.testing.upstream import ScriptedUpstream


@pytest.fixture(params=LOOPS)
def play(request: pytest.FixtureRequest) -> Play:
    """Run a scenario with an upstream client, on each kind of loop."""
    return partial(play_on, request.param)


@pytest.fixture
def first() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(credential="sk-first") as upstream:
        yield upstream


@pytest.fixture
def second() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(credential="sk-second") as upstream:
        yield upstream


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))
