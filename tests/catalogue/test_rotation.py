"""kill -9 while the master key is replaced: before each step that leaves a trace, nothing is lost."""

import shutil
import subprocess
import sys
from pathlib import Path

from posthouse.catalogue.sealed import load_credentials, rotate, write_credentials
from posthouse.kernel.secrets import SecretText, load_master_keys, master_box
from posthouse.testing.stores import store_in

TEXTS = {("main", "default"): "one", ("main", "b"): "two", ("other", "default"): "three"}
STEPS_MAX = 60  # a rotation has about a third of it

# Rotates in one directory after the other, each time in a process that kills itself before its n-th step; it
# ends with the first that gets through. What the interpreter itself opens is no step.
ROTATOR = """
import os, signal, sys
from pathlib import Path
from posthouse.catalogue.sealed import rotate
from posthouse.testing.stores import store_in

STEPS = ("open", "os.rename", "os.remove", "fcntl.flock")
for number, data in enumerate(map(Path, sys.argv[1:])):
    if (child := os.fork()) == 0:
        store = store_in(data)
        left = number

        def before(event, arguments):
            global left
            is_step = event in STEPS and not str(arguments[0]).endswith((".py", ".pyc"))
            if is_step or event == "posthouse.sql":
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1

        def trace(connection, *_):
            sys.audit("posthouse.sql")

        from sqlalchemy import event
        for name in ("begin", "before_cursor_execute", "commit"):
            event.listen(store.engine, name, trace)
        event.listen(store.engine, "checkin", trace)  # after the commit
        sys.addaudithook(before)
        rotate(store, data, now_ms=1)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        print(number)
        break
"""


def opened(data: Path) -> dict[tuple[str, str], str]:
    store = store_in(data)
    try:
        return {name: text.reveal() for name, text in load_credentials(store, master_box(data)).items()}
    finally:
        store.close()


def test_kill_9_at_each_step(tmp_path: Path) -> None:
    template = tmp_path / "template"
    template.mkdir()
    store = store_in(template)
    with store.begin() as connection:
        secrets = {name: SecretText(text) for name, text in TEXTS.items()}
        write_credentials(connection, master_box(template), secrets, (), 0)
    store.close()
    (first,) = load_master_keys(template)

    places = [shutil.copytree(template, tmp_path / str(number)) for number in range(STEPS_MAX)]
    command = [sys.executable, "-c", ROTATOR, *map(str, places)]
    steps = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert steps > 10
    keys_found = set()
    for data in places[: steps + 1]:
        assert opened(data) == TEXTS
        keys_found.add(len(load_master_keys(data)))
        store = store_in(data)
        assert rotate(store, data, now_ms=2) == len(TEXTS)
        store.close()
        assert opened(data) == TEXTS
        (key,) = load_master_keys(data)
        assert key != first
        assert not (data / "master.key.old").exists()
    assert keys_found == {1, 2}
