"""What is for sale right now, to whom and through which channels: the compiled catalogue with its
credentials, replaced as a whole when the configuration changes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator

from posthouse.accounts.rules import KeyEntry
from posthouse.catalogue.compiled import Catalogue, ModelSpec, PlanSpec
from posthouse.catalogue.queries import States, load_catalogue, load_credential_states
from posthouse.catalogue.sealed import Name, load_credentials
from posthouse.kernel.clock import monotonic_s
from posthouse.kernel.errors import Refusal, RelayCode
from posthouse.kernel.secrets import SecretBox, SecretText
from posthouse.ledger.settlement import Snapshot
from posthouse.limits.rules import LimitRule
from posthouse.metering.prices import Tariff
from posthouse.relay.ask import Ask
from posthouse.relay.call import Terms
from posthouse.relay.endpoints import PATHS, Dialect, Endpoint
from posthouse.relay.router import Offer
from posthouse.routing.channels import ChannelSpec
from posthouse.routing.choice import Lineup
from posthouse.routing.pools import Pool
from posthouse.store.changes import ChangeKind
from posthouse.store.engine import Store

# The longest answer of a model that says none: what most can give. It bounds the hold, not the answer.
OUTPUT_TOKENS_DEFAULT = 16_384
# Counting a prompt's tokens costs more than all else of a call. One whose bytes are this small a part of the
# token limit is reserved by them; what that is too much comes back when the call is settled.
RESERVED_BY_BYTES = 64
# Where the bytes of so short a prompt do not settle it, most calls are counted.
SHORT_PROMPT_BYTES = 2000
# Keys' own lists of models whose limits are at hand; over that, all are looked up anew.
SCOPES_MAX = 1000


class Market:
    """Used on the event loop; hand `on_change` to the ChangeFeed. `on_replaced` hears of each new catalogue,
    `on_enabled` of a channel that was enabled by hand. Making one raises StoreDown, UnreadableSecret."""

    def __init__(self, store: Store, box: SecretBox) -> None:
        self._store = store
        self._box = box
        self._credentials: dict[Name, SecretText] = {}
        self.on_replaced: Callable[[], None] = lambda: None
        self.on_enabled: Callable[[str], None] = lambda channel: None
        self.pools: dict[str, Pool] = {}
        self._replace(*self._read())

    def _read(self) -> tuple[Catalogue, dict[Name, SecretText], dict[str, States]]:
        credentials = load_credentials(self._store, self._box)
        return load_catalogue(self._store), credentials, load_credential_states(self._store)

    def _replace(
        self, catalogue: Catalogue, credentials: dict[Name, SecretText], states: dict[str, States]
    ) -> None:
        before, self._credentials = self._credentials, credentials
        self.catalogue = catalogue
        self._terms: dict[tuple[str, str, Dialect], Terms] = {}
        self._rules: dict[tuple[str, frozenset[str] | None], tuple[LimitRule, ...]] = {}
        self.pools = {
            spec.name: self._pool(spec, before, states.get(spec.name, {})) for spec in catalogue.channels
        }
        self.on_replaced()

    def _pool(self, spec: ChannelSpec, before: dict[Name, SecretText], states: States) -> Pool:
        """The channel's pool, which outlives changes of the configuration; a credential whose secret is a new
        one begins anew."""
        pool = self.pools.get(spec.name)
        if pool is None:
            pool = Pool(spec.name, spec.credentials)
        else:
            names = [one.name for one in spec.credentials]
            renewed = [name for name in names if self._is_other((spec.name, name), before)]
            pool.update(spec.credentials, renewed)
        pool.apply_states(states, monotonic_s())
        return pool

    def _is_other(self, key: Name, before: dict[Name, SecretText]) -> bool:
        texts = [one[key].reveal() if key in one else "" for one in (before, self._credentials)]
        return texts[0] != texts[1]

    def _offer(self, spec: ChannelSpec, model: str) -> Offer:
        names = (one.name for one in spec.credentials)
        sealed = {name: self._credentials.get((spec.name, name)) for name in names}
        credentials = {name: text for name, text in sealed.items() if text is not None}
        return Offer(spec, self.pools[spec.name], credentials, self.catalogue.cost(spec, model))

    def offer(self, channel: str, model: str) -> Offer | None:
        """A channel by its name, for what only that one can do, also while it is drained; None when it is out
        of use."""
        for spec in self.catalogue.channels:
            if spec.name == channel and spec.enabled:
                return self._offer(spec, model)
        return None

    def credential(self, channel: str, name: str) -> SecretText | None:
        return self._credentials.get((channel, name))

    async def on_change(self, kind: ChangeKind, subject: str) -> None:
        """Take a notice from the change feed. Raises StoreDown, UnreadableSecret; the old catalogue then
        stays."""
        if kind in ("configuration", "channel"):
            self._replace(*await asyncio.to_thread(self._read))
        if kind == "channel" and subject:
            self.on_enabled(subject)

    @property
    def currency(self) -> str:
        return self.catalogue.operator.currency

    def terms(self, key: KeyEntry, ask: Ask) -> Terms:
        """The terms of a call. Raises Refusal when the model is not to be had, or not by this key."""
        dialect = ask.endpoint.dialect
        terms = self._terms.get((key.plan, ask.model, dialect)) or self._make_terms(
            key.plan, ask.model, dialect, names_objects=bool(ask.objects)
        )
        plan, name = terms.plan, terms.model.name
        if ask.endpoint.name not in terms.endpoints:
            self.check_endpoint(key, ask.endpoint)
            raise Refusal(RelayCode.MODEL_NOT_FOUND, "not_for_sale", param="model", model=name)
        if key.models is not None and not _is_in_scope(key, terms.model):
            raise Refusal(RelayCode.KEY_SCOPE_DENIED, "model", param="model", model=name)
        if key.endpoints is not None:
            self.check_endpoint(key, ask.endpoint)
        if ask.peek.stream and not plan.streaming:
            raise Refusal(RelayCode.STREAMING_NOT_ALLOWED, param="stream", plan=plan.name)
        return terms

    def check_endpoint(self, key: KeyEntry, endpoint: Endpoint) -> None:
        """Raises Refusal when the plan or the key's own allow-list leaves the endpoint out."""
        name, plan = endpoint.name, self.catalogue.plan(key.plan)
        if plan is not None and name not in plan.endpoints:
            plans = [one.name for one in self.catalogue.plans() if name in one.endpoints]
            raise Refusal(
                RelayCode.MODEL_NOT_ALLOWED,
                "endpoint",
                plan=plan.name,
                endpoint=name,
                plans=", ".join(plans) or "-",
            )
        if key.endpoints is not None and name not in key.endpoints:
            raise Refusal(RelayCode.KEY_SCOPE_DENIED, "endpoint", endpoint=name)

    def models_for(self, key: KeyEntry, dialect: Dialect = "openai") -> list[ModelSpec]:
        """What this key can call; in another dialect than OpenAI's, whose list is the whole one, only what
        channels that speak it offer."""
        return [one for one in self.catalogue.models_for(key.plan, dialect) if _is_in_scope(key, one)]

    def rules_for(self, key: KeyEntry) -> tuple[LimitRule, ...]:
        """The limits of any model that this key can call. Hundreds of models take a while to look through,
        and whoever is refused asks at any time."""
        scope = key.plan, key.models
        rules = self._rules.get(scope)
        if rules is None:
            if len(self._rules) >= SCOPES_MAX:
                self._rules.clear()
            rules = self.catalogue.rules_of(key.plan, [model.name for model in self.models_for(key)])
            self._rules[scope] = rules
        return rules

    def _make_terms(self, plan_name: str, asked: str, dialect: Dialect, *, names_objects: bool) -> Terms:
        """Compile and keep. Raises Refusal, in the order of what the caller would want to know first. A call
        that names objects may have to go to a channel that takes no others."""
        catalogue = self.catalogue
        model, plan = catalogue.model(asked), catalogue.plan(plan_name)
        if model is None:
            raise Refusal(RelayCode.MODEL_NOT_FOUND, param="model", model=asked[:100])
        if plan is None or model.name not in plan.models:
            raise _not_in_plan(catalogue, plan_name, model)
        tariff = catalogue.tariff(plan.name, model.name)
        if tariff is None:
            raise Refusal(RelayCode.MODEL_NOT_FOUND, "not_for_sale", param="model", model=model.name)
        specs = [one for one in catalogue.channels if one.offers(model.name)]
        spoken = [self._offer(spec, model.name) for spec in specs if spec.speaks(dialect)]
        offers = [one for one in spoken if not one.spec.draining]
        if not (offers or (spoken and names_objects)):
            raise _no_channel(model.name, [one for one in specs if not one.draining])
        rules = catalogue.rules(plan.name, model.name)
        tokens_max = (rule.tokens // RESERVED_BY_BYTES for rule in rules if rule.tokens is not None)
        reserved_by_bytes_max = min(tokens_max, default=sys.maxsize)
        output_tokens_max, request_tokens_max = _output_tokens_max(model), _request_tokens_max(plan, model)
        terms = Terms(
            plan=plan,
            model=model,
            endpoints=frozenset(name for name in plan.endpoints if _is_priced(tariff, name)),
            tariff=tariff,
            snapshot=Snapshot(tariff.id, tariff.lines_json.decode()),
            rules=rules,
            counts_tokens=any(rule.tokens is not None for rule in rules),
            reserved_by_bytes_max=reserved_by_bytes_max,
            lineup=Lineup(offers, apart=[one for one in spoken if one.spec.draining]),
            keep_alive_s=min((one.spec.keep_alive_s for one in offers if one.spec.keep_alive_s), default=0.0),
            output_tokens_max=output_tokens_max,
            output_tokens_unknown=model.kind != "embedding" and not model.max_output_tokens,
            request_tokens_max=request_tokens_max,
            short_tokens_max=min(reserved_by_bytes_max, request_tokens_max - output_tokens_max),
        )
        if offers:
            self._terms[plan_name, asked, dialect] = terms
        return terms


def counted_models(catalogue: Catalogue) -> Iterator[str]:
    """Models with token limits so small that most calls' tokens are counted."""
    for plan in catalogue.plans():
        for model in plan.models:
            limits = [rule.tokens for rule in catalogue.rules(plan.name, model) if rule.tokens is not None]
            if limits and min(limits) // RESERVED_BY_BYTES < SHORT_PROMPT_BYTES:
                yield model


def _is_in_scope(key: KeyEntry, model: ModelSpec) -> bool:
    """Whether the key's own allow-list has the model, under any of its names."""
    return key.models is None or not key.models.isdisjoint((model.name, *model.aliases))


def _is_priced(tariff: Tariff, endpoint: str) -> bool:
    """Whether all that a call of the endpoint uses has a price: a model that is sold by the image or the
    second must not be had for nothing as a chat."""
    used = dict.fromkeys(_USED.get(endpoint, ("input", "output")), 1)
    return not tariff.charge(used, prompt_tokens=1).unpriced


# What a call of an endpoint uses; of the others, input and output.
_USED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("embeddings", "embedContent", "batchEmbedContents"), ("input",)),
    **dict.fromkeys(("messages/count_tokens", "countTokens"), ()),
}


def _no_channel(model: str, specs: list[ChannelSpec]) -> Refusal:
    """No channel can take the call: where others offer the model, the caller is told at which paths."""
    spoken = [path for dialect, path in PATHS.items() if any(spec.speaks(dialect) for spec in specs)]
    if not spoken:
        return Refusal(RelayCode.MODEL_NOT_FOUND, "no_channel", param="model", model=model)
    paths = ", ".join(spoken).replace("{model}", model)
    return Refusal(RelayCode.MODEL_NOT_FOUND, "other_dialect", param="model", model=model, paths=paths)


def _output_tokens_max(model: ModelSpec) -> int:
    if model.kind == "embedding":
        return 0
    return model.max_output_tokens or OUTPUT_TOKENS_DEFAULT


def _request_tokens_max(plan: PlanSpec, model: ModelSpec) -> int:
    limits = (plan.input_tokens_max, plan.request_tokens_max, model.max_input_tokens)
    return min((limit for limit in limits if limit is not None), default=sys.maxsize)


def _not_in_plan(catalogue: Catalogue, plan_name: str, model: ModelSpec) -> Refusal:
    plans = catalogue.plans_with(model.name)
    situation = "default" if plans else "no_plan"
    return Refusal(
        RelayCode.MODEL_NOT_ALLOWED,
        situation,
        param="model",
        plan=plan_name,
        model=model.name,
        plans=", ".join(plans),
    )
