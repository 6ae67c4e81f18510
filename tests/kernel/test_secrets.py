import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from posthouse.kernel.secrets import (
    SecretBox,
    UnreadableSecret,
    load_master_keys,
    master_box,
    rotation,
)

ONE, TWO, THREE = (bytes([number]) * 32 for number in (1, 2, 3))


def test_each_key_opens_and_the_first_seals() -> None:
    sealed = SecretBox(ONE).seal("name", "text")
    both = SecretBox(TWO, ONE)
    assert both.open("name", sealed).reveal() == "text"
    again = both.seal("name", "text")
    assert SecretBox(TWO).open("name", again).reveal() == "text"
    with pytest.raises(UnreadableSecret):
        SecretBox(ONE).open("name", again)


def test_what_is_sealed_under_one_name_does_not_open_under_another() -> None:
    box = SecretBox(ONE)
    with pytest.raises(UnreadableSecret):
        box.open("other", box.seal("name", "text"))


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(12), bytes(100)])
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(UnreadableSecret):
        SecretBox(ONE).open("name", sealed)


def test_a_box_follows_a_rotation_by_another_process() -> None:
    keys = (ONE,)
    box = SecretBox(ONE, reload=lambda: keys)
    before = box.seal("name", "text")
    keys = (TWO,)
    after = SecretBox(TWO).seal("name", "text")
    assert box.open("name", after).reveal() == box.open("name", before).reveal() == "text"
    assert SecretBox(TWO).open("name", box.seal("name", "text")).reveal() == "text"


def test_a_first_start_makes_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    (key,) = load_master_keys(tmp_path)
    assert load_master_keys(tmp_path) == (key,)
    assert [path.name for path in tmp_path.iterdir()] == ["master.key"]
    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600


def test_who_starts_together_gets_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        barrier = Barrier(8)

        def load() -> tuple[bytes, ...]:
            barrier.wait()
            return load_master_keys(tmp_path)

        found = {pool.submit(load).result for _ in range(8)}
    assert {result() for result in found} == {load_master_keys(tmp_path)}
    assert [path.name for path in tmp_path.iterdir()] == ["master.key"]


def test_keys_of_the_environment() -> None:
    text = f"{TWO.hex()}, {ONE.hex()}"
    assert load_master_keys(Path("/nowhere"), text) == (TWO, ONE)


@pytest.mark.parametrize("text", ["no hex", "00" * 31, "00" * 33, f"{'00' * 32},"])
def test_what_is_no_key(tmp_path: Path, text: str) -> None:
    (tmp_path / "master.key").write_text(text)
    for environment in ("", text):
        with pytest.raises(ValueError):
            load_master_keys(tmp_path, environment)


def test_a_rotation_keeps_the_old_key_until_its_end(tmp_path: Path) -> None:
    sealed = master_box(tmp_path).seal("name", "text")
    (before,) = load_master_keys(tmp_path)
    with rotation(tmp_path) as box:
        new, old = load_master_keys(tmp_path)
        assert old == before
        assert new != before
        sealed = box.seal("name", box.open("name", sealed).reveal())
    assert load_master_keys(tmp_path) == (new,)
    assert master_box(tmp_path).open("name", sealed).reveal() == "text"
    assert [path.name for path in tmp_path.iterdir()] == ["master.key"]
    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600


def test_a_rotation_that_failed_is_gone_on_with(tmp_path: Path) -> None:
    load_master_keys(tmp_path)
    with pytest.raises(RuntimeError), rotation(tmp_path):
        raise RuntimeError
    keys = load_master_keys(tmp_path)
    assert len(keys) == 2
    with rotation(tmp_path):
        assert load_master_keys(tmp_path) == keys
    assert load_master_keys(tmp_path) == keys[:1]
