"""Local token counts: what a prompt may cost before the call, and what was used where the upstream does not
say.

Counting is pure but slow (a megabyte takes a second), so long texts are counted in a thread.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from posthouse.catalogue.compiled import ModelSpec
from posthouse.metering.ceilings import (
    CLAUDE_IMAGE_TOKENS_MAX,
    IMAGE_TOKENS_MAX,
    TEMPLATE_TOKENS_MAX,
    prompt_tokens_bound,
    sound_tokens_bound,
)
from posthouse.metering.meter import Meter
from posthouse.metering.tokens import TokenCounter
from posthouse.metering.usage import Usage, at_least
from posthouse.relay.ask import Ask
from posthouse.relay.dialects import READERS

# Counted on the event loop up to here: some 0.2 ms, less than a hand-over to a thread delays the call.
ON_LOOP_BYTES_MAX = 2048
# Counting is pure computation: more threads than this would take the cores from the event loop, and from the
# threads that ask the store.
COUNTING_THREADS = max(1, (os.cpu_count() or 1) // 2)

T = TypeVar("T")


class Tally:
    """A running count of one stream's text, in `threads`."""

    def __init__(self, count: Callable[[list[str]], int], threads: ThreadPoolExecutor) -> None:
        self._count = count
        self._threads = threads
        self._counts: list[asyncio.Future[int]] = []

    def add(self, texts: list[str]) -> None:
        """Begin to count these; the caller keeps them no longer."""
        loop = asyncio.get_running_loop()
        self._counts.append(loop.run_in_executor(self._threads, self._count, texts))

    @property
    def is_empty(self) -> bool:
        """Nothing was added."""
        return not self._counts

    async def tokens(self) -> int:
        """Of all that was added."""
        if not self._counts:
            return 0
        return sum(await asyncio.shield(asyncio.gather(*self._counts)))  # it may be asked again if cancelled


class Estimator:
    """Counts for the pipeline."""

    def __init__(self, counter: TokenCounter) -> None:
        self._counter = counter
        self._threads = ThreadPoolExecutor(COUNTING_THREADS, "counting")

    def prepare(self, models: Iterable[str]) -> None:
        """Begin to load, in a thread, the vocabularies of these models, so that no call waits for them."""

        def load() -> None:
            for model in models:
                self._counter.load(model)

        self._threads.submit(load)

    def prompt_bound(self, ask: Ask, model: ModelSpec) -> int:
        """Prompt tokens at most, told from the bytes; costs next to nothing."""
        if ask.is_text:
            return len(ask.body) + TEMPLATE_TOKENS_MAX
        return prompt_tokens_bound(ask.body, image_tokens_max=_image_tokens_max(ask, model))

    async def prompt_tokens(self, ask: Ask, model: ModelSpec) -> int:
        """Prompt tokens as counted locally; an image counts as the model's dearest."""
        images = _image_tokens_max(ask, model)
        return await self._count(
            model,
            len(ask.body),
            lambda: self._counter.count_prompt(model.name, ask.body, ask.endpoint.name, image_tokens=images),
        )

    async def prompt_tokens_surely(self, ask: Ask, model: ModelSpec) -> int:
        """The same, and no fewer than they are: other providers cut a text into more tokens than OpenAI's
        vocabularies do, Anthropic's newest into up to 1.4 times as many, and speech can be packed tightly."""
        counted = await self.prompt_tokens(ask, model) + sound_tokens_bound(ask.body)
        return counted if ask.endpoint.dialect == "openai" else counted * 3 // 2

    async def of_answer(self, ask: Ask, model: ModelSpec, answer: bytes) -> Usage:
        """The usage of an answer that reports none."""
        return await self._usage(ask, model, READERS[ask.endpoint.dialect].texts(answer))

    async def of_stream(self, ask: Ask, model: ModelSpec, meter: Meter, tally: Tally) -> Usage:
        """The usage of what a stream has delivered so far: what it reported last, but no fewer tokens than
        came; counted here where it reported none. When cancelled it may be asked again: what was delivered is
        with the tally."""
        reported = meter.usage
        if reported is not None and not meter.usage_is_stale:
            return reported
        if meter.text_bytes:
            tally.add(meter.take_text())
        completion = await tally.tokens()
        if reported is not None:
            return at_least(reported, completion)
        return await self._usage(ask, model, [], completion, meter.service_tier)

    def tally(self, model: ModelSpec) -> Tally:
        """Counts what a long stream has delivered while it goes on, so that its text need not be kept."""
        return Tally(lambda texts: self._count_texts(model, texts), self._threads)

    def _count_texts(self, model: ModelSpec, texts: list[str]) -> int:
        return sum(self._counter.count_text(model.name, text) for text in texts)

    async def _usage(
        self, ask: Ask, model: ModelSpec, texts: list[str], counted: int = 0, service_tier: str = ""
    ) -> Usage:
        size = len(ask.body) + sum(map(len, texts))

        def count() -> tuple[int, int]:
            prompt = self._counter.count_prompt(model.name, ask.body, ask.endpoint.name)
            return prompt, self._count_texts(model, texts)

        prompt, completion = await self._count(model, size, count)
        completion += counted
        quantities = {"input": prompt, "output": completion}
        quantities = {name: n for name, n in quantities.items() if n}
        return Usage(quantities, prompt, completion, service_tier, estimated=True)

    async def _count(self, model: ModelSpec, size: int, count: Callable[[], T]) -> T:
        if size <= ON_LOOP_BYTES_MAX and self._counter.is_loaded(model.name):
            return count()
        return await asyncio.get_running_loop().run_in_executor(self._threads, count)


def _image_tokens_max(ask: Ask, model: ModelSpec) -> int:
    """What one image can cost at most."""
    known = CLAUDE_IMAGE_TOKENS_MAX if ask.endpoint.dialect == "anthropic" else IMAGE_TOKENS_MAX
    return model.image_tokens_max or known
