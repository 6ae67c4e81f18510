"""What is logged of a fault tells where it was, never what was being said."""

import json
import subprocess
import sys

import pytest

from posthouse.observe.log import readable

SECRET = "what the caller said"
PROGRAM = """
import asyncio, json, sys
import uvloop
from posthouse.observe.log import configure

async def fail(text):
    raise ValueError(text)

async def leave_a_failed_task(text):
    await asyncio.wait((asyncio.create_task(fail(text)),))

async def fail_in_a_callback(text):
    asyncio.get_running_loop().call_soon(json.loads, text)
    await asyncio.sleep(0)

async def fail_with_a_future(text):
    asyncio.get_running_loop().create_future().set_exception(KeyError(text))

configure("debug")
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(globals()[sys.argv[1]](sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("leave_a_failed_task", "ValueError"),
        ("fail_in_a_callback", "JSONDecodeError"),
        ("fail_with_a_future", "KeyError"),
    ],
)
def test_asyncios_own_words_hold_no_text_of_a_call(fault: str, error: str) -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM, fault, SECRET], capture_output=True, check=True)
    (line,) = ran.stderr.decode().splitlines()
    told = json.loads(line)
    assert (told["logger"], told["error"]) == ("asyncio", error)
    assert SECRET not in line


def test_a_line_is_read_as_it_was_written() -> None:
    """As mails shown in the log are; what moves the cursor or turns the text stays escaped."""
    told = {"text": "请打开\n\x9b2J\u202e\u2028"}
    line = readable(told)
    assert line == '{"text": "请打开\\n\\u009b2J\\u202e\\u2028"}'
    assert json.loads(line) == told
