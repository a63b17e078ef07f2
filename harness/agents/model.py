"""Language models as agents: one agent for every provider.

What providers differ in stands in `icil.harness.models`; here a model becomes a player: its
prompts go out through one gate, are tried again where that helps, and what comes back is
priced. The provider's client is made when a run begins: a plan or an estimate needs no key.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from icil.harness.agents.agent import Agent, Capabilities, EpisodeContext, Reply, Turn
from icil.harness.models import Completion, Provider, Sampling
from icil.harness.models.answers import shorten
from icil.harness.models.asking.asker import Answered, Asker
from icil.harness.models.asking.gate import Gate
from icil.harness.models.asking.warming import Warming
from icil.harness.models.recent import Recent
from icil.harness.models.tables.limits import Limits
from icil.harness.models.tables.prices import Price, Prices
from icil.prompt_builders import Part, Prefix, Prompt
from icil.results import Usage

_HERE = ("127.0.0.1", "::1", "localhost")
_COUNTED = 512
"""How many prefixes' tokens are remembered."""
_DOUBT = 1.5
"""By how much a provider other than OpenAI is taken to count more tokens than are counted here,
until its first answer tells."""
_SMALL = 1000
"""Tokens: what a provider adds to a shorter prompt says nothing about a long one."""


class ModelAgent(Agent):
    """A language model, reached through a provider.

    Args:
        provider: The provider's name, as in the agent's.
        model: The model's name there.
        connect: Makes the provider's client; called when a run begins.
        limits: What it takes in one request.
        sampling: How it is to answer.
        timeout_s: After how many seconds a request is given up.
        price_names: The model's names in tables of prices.
        free: Whether it costs nothing where no table has a price for it.
        settings: What else decides its answers, as JSON.
    """

    waits = True

    def __init__(
        self,
        provider: str,
        model: str,
        connect: Callable[[], Provider],
        *,
        limits: Limits,
        sampling: Sampling,
        timeout_s: float,
        price_names: tuple[str, ...],
        free: bool,
        settings: Mapping[str, Any],
    ) -> None:
        self.capabilities = Capabilities(
            text=True,
            images=limits.images != 0,
            demonstrations="prompt",
            context_tokens=limits.context_tokens,
            max_images=limits.images,
            request_bytes=limits.request_bytes,
        )
        self.provider, self.model = provider, model
        self.sampling = sampling
        self._price_names, self._free = price_names, free
        self.price: Price | None = None
        """None where it is not known, or where there is none to pay."""
        self.use_prices(Prices())
        self._connect, self._timeout_s, self._settings = connect, timeout_s, settings
        self._client: Provider | None = None
        self._asker: Asker | None = None
        self._warming = Warming()
        self._note: Callable[[Completion], str | None] | None = None
        self._playing: dict[bytes, tuple[Prefix, set[EpisodeContext]]] = {}
        """By hash the prefixes that were sent, and the episodes that go on with them."""
        self._counted: Recent[int] = Recent(_COUNTED)
        self._undercount: float | None = None
        """The most by which the provider has counted more tokens than were counted here."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """How it is to answer."""
        sampling = self.sampling
        found = {"max_output_tokens": sampling.max_output_tokens, **self._settings}
        if sampling.temperature is not None:
            found["temperature"] = sampling.temperature
        if sampling.top_logprobs is not None:
            found["top_logprobs"] = sampling.top_logprobs
        if sampling.parameters:
            found["parameters"] = dict(sampling.parameters)
        return found

    @property
    def paid(self) -> bool:
        """Whether calls cost money, or might."""
        return self.price is not None or not self._free

    @property
    def priced(self) -> bool:
        """Whether it is known what a call costs."""
        return self.price is not None or self._free

    @property
    def longest_reply(self) -> int:
        """How many tokens its reply may take in its context."""
        return self.sampling.max_output_tokens

    def use_prices(self, prices: Prices) -> None:
        """Takes the model's price from a table."""
        self.price = prices.find(self._price_names)

    def weigh(self, top_logprobs: int, note: Callable[[Completion], str | None]) -> None:
        """Has log-probabilities asked for from now on.

        Args:
            top_logprobs: Of how many tokens at each place; see `Sampling`.
            note: What is to be on record of them, as the detail of a reply: a short text, or None.
        """
        self.sampling = replace(self.sampling, top_logprobs=top_logprobs)
        self._note = note

    @property
    def rerouted(self) -> bool:
        """Whether a server on this machine answers in a provider's place, such as a fake one.

        Also where there is no client, since nothing is left to ask: nobody knows who answered.
        """
        if self._client is None:
            return True
        if self.provider in ("local", "transformers"):
            return False
        return urlsplit(self._client.endpoint).hostname in _HERE

    async def prepare(self) -> None:
        """Makes the provider's client.

        Raises:
            UsageError: A key or a library is missing.
        """
        if self._client is None:
            self._client = await asyncio.to_thread(self._connect)
            self.capabilities = _told(self.capabilities, self._client.limits)
            self._asker = Asker(
                self._client, Gate(self._client.most_at_once), timeout_s=self._timeout_s
            )
            self._warming = Warming()

    async def act(self, turn: Turn) -> Reply:
        """Returns the model's reply.

        Raises:
            ModelError: There was none, however often it was asked.
        """
        await self.prepare()
        assert self._asker is not None
        assert turn.prompt is not None
        prompt = turn.prompt
        if turn.own is None:
            await self._begin_prefix(prompt.prefix, turn.episode)
            async with self._warming.warmed(prompt.prefix.hash):
                completion, latency_s = await self._asker.ask(prompt, self.sampling)
        else:
            completion, latency_s = await self._ask_once(prompt)
        self._learn(prompt, completion.tokens.input)
        if self._note is not None and (noted := self._note(completion)) is not None:
            completion = replace(completion, detail=noted)
        return _reply(completion, self._usage(completion, latency_s))

    async def end(self, episode: EpisodeContext) -> None:
        """Notes that the episode's prefix is not needed for it any more."""
        for _, episodes in self._playing.values():
            episodes.discard(episode)

    async def close(self) -> None:
        """Lets go of connections, and of what is cached at the provider."""
        client, self._client, self._asker = self._client, None, None
        self._playing.clear()
        if client is not None:
            await client.close()

    def most(self, prompt: Prompt) -> Usage:
        """Returns the most that a reply can take: nothing cached, and the longest answer.

        The prompt's tokens are counted here, and corrected by what the provider counted before.
        """
        more = self._undercount or (1.0 if self.provider == "openai" else _DOUBT)
        tokens = int(self._count(prompt) * more) + 1
        output = self.sampling.max_output_tokens
        cost = 0.0 if self._free else None
        if self.price is not None:
            price = self.price.at(tokens)
            dearest = max(price.input, price.cache_write, price.cache_write_1h)
            cost = tokens * dearest + output * max(price.output, price.reasoning)
        return Usage(input_tokens=tokens, output_tokens=output, cost_usd=cost)

    def tokens(self, part: Part) -> int:
        """Returns about how many tokens a part takes."""
        if self._client is not None:
            return self._client.tokens(part)
        from icil.harness.models.tables.tokens import count_tokens

        return count_tokens(part, self.provider, self.model)

    def _count(self, prompt: Prompt) -> int:
        """Counts a prompt's tokens; may take long for a new prefix."""
        prefix = prompt.prefix
        known = self._counted.get(prefix.hash)
        if known is None:
            known = self._counted.put(prefix.hash, sum(map(self.tokens, prefix.parts)), 1)
        return known + sum(map(self.tokens, (*prompt.tail, *prompt.question)))

    def _learn(self, prompt: Prompt, taken: int) -> None:
        """Is told how many tokens the provider counted, in case there is a budget."""
        if self._counted.get(prompt.prefix.hash) is not None:
            more = taken / max(_SMALL, self._count(prompt))
            self._undercount = max(1.0, more, self._undercount or 0.0)

    async def _ask_once(self, prompt: Prompt) -> Answered:
        """Asks with a prefix that no later prompt will have: to have it cached would only cost."""
        assert self._asker is not None
        assert self._client is not None
        try:
            return await self._asker.ask(prompt, replace(self.sampling, once=True))
        finally:
            if prompt.prefix.hash not in self._playing:
                await self._client.forget(prompt.prefix)

    async def _begin_prefix(self, prefix: Prefix, episode: EpisodeContext) -> None:
        """Notes who plays with a prefix; a new one ends those that nobody plays with."""
        assert self._client is not None
        known = prefix.hash in self._playing
        self._playing.setdefault(prefix.hash, (prefix, set()))[1].add(episode)
        if known:
            return
        idle = [old for old, (_, playing) in self._playing.items() if not playing]
        # Taken out before the first wait: others come by meanwhile.
        for gone in [self._playing.pop(old)[0] for old in idle]:
            await self._client.forget(gone)

    def _usage(self, completion: Completion, latency_s: float) -> Usage:
        tokens = completion.tokens
        cost = 0.0 if self._free else None
        if self.price is not None:
            cost = self.price.cost(tokens)
        return Usage(
            input_tokens=tokens.input,
            cached_input_tokens=tokens.cached,
            cache_write_tokens=tokens.cache_write,
            output_tokens=tokens.output,
            reasoning_tokens=tokens.reasoning,
            cost_usd=cost,
            latency_s=latency_s,
        )


def _told(known: Capabilities, limits: Limits) -> Capabilities:
    """Adds the limits that only the server could tell."""
    return replace(
        known,
        context_tokens=known.context_tokens or limits.context_tokens,
        max_images=limits.images if known.max_images is None else known.max_images,
    )


def _reply(completion: Completion, usage: Usage) -> Reply:
    return Reply(
        text=completion.text,
        usage=usage,
        model=completion.model and shorten(completion.model),
        finish=completion.finish,
        detail=completion.detail and shorten(completion.detail),
        parameters=completion.parameters,
        dropped=completion.dropped,
    )
