"""docs/channels.md tells the deadlines and the fixed times of connections as the code has them."""

import pytest
from tests.docs.pages import code_of, read, rows_of, section_of

from posthouse.providers.presets import Preset
from posthouse.upstream.connection import Deadlines
from posthouse.upstream.dial import NEXT_ADDRESS_S
from posthouse.upstream.errors import TIMEOUTS
from posthouse.upstream.names import FAILED_S, FRESH_S, PATIENCE_S
from posthouse.upstream.tunnels import KEEP_ALIVE_S

PAGES = {"": ("Connections", "deadline", "s"), ".zh": ("连接", "时限", "秒")}


@pytest.mark.parametrize("suffix", PAGES)
def test_each_deadline_stands_with_its_default_and_fault(suffix: str) -> None:
    title, first, unit = PAGES[suffix]
    rows = rows_of(section_of(read(f"docs/channels{suffix}.md"), title), first)
    names = [code_of(row[0])[0] for row in rows]
    assert set(names) == {name for name in vars(Deadlines) if name.endswith("_s")}
    preset = Preset(title="any", source="")
    assert [row[1] for row in rows] == [f"{getattr(preset, name):g} {unit}" for name in names]
    assert [code_of(row[4])[0] for row in rows] == [f"timeout_{name.removesuffix('_s')}" for name in names]
    assert {f"timeout_{name.removesuffix('_s')}" for name in names} == {fault.value for fault in TIMEOUTS}


@pytest.mark.parametrize("suffix", PAGES)
def test_the_fixed_times_stand(suffix: str) -> None:
    title, _, unit = PAGES[suffix]
    text = section_of(read(f"docs/channels{suffix}.md"), title)
    for seconds in (FRESH_S, FAILED_S, PATIENCE_S, NEXT_ADDRESS_S, KEEP_ALIVE_S):
        assert f" {seconds:g} {unit}" in text
