"""What channels, models, families and plans are made of, as requests bring and answers show them.

The fields are those of catalogue.rules, whose definitions they become: a field that is left out has its
default, also a later version's. Amounts and ratios are text or whole numbers, so that no digit is lost.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from pydantic import Field, StrictInt, StrictStr, StringConstraints, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from posthouse.api.values import Body
from posthouse.catalogue.masking import masked
from posthouse.catalogue.rules import Definition

NAME_CHARS_MAX = 200
LISTED_MAX = 2_000  # models of a channel, limits of a plan: far more than anybody writes


def _one_error(value: object, read: Callable[[object], object]) -> object:
    """What a union reads; its refusal once, not once for each of its members by a name that nobody sent."""
    try:
        return read(value)
    except ValidationError:
        raise PydanticCustomError("amount", "an amount is decimal text, or a whole number") from None


Name = Annotated[str, StringConstraints(max_length=NAME_CHARS_MAX)]
Text = Annotated[str, StringConstraints(max_length=NAME_CHARS_MAX)]
Amount = Annotated[
    Annotated[StrictStr, StringConstraints(max_length=40)] | StrictInt, WrapValidator(_one_error)
]
Names = Annotated[list[Name], Field(max_length=LISTED_MAX)]
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]
Positive = Annotated[int, Field(ge=1, le=2**53 - 1)]
Seconds = Annotated[float, Field(gt=0, le=31 * 86_400)]
SecondsOrOff = Annotated[float, Field(ge=0, le=31 * 86_400)]


class PriceFields(Body):
    """Prices of one tier, in the operator's currency: per million tokens, or each from `image` on."""

    per: Literal["1M", "1k"] = Field("1M", description="How many tokens a price is of.")
    prompt_tokens_over: Count = Field(0, description="Holds for the whole call once its prompt is longer.")
    service_tier: Text = Field("default", description="Holds for calls that are served at this tier.")
    size: Text | Names = Field("", description="Of an image: 1024x1024, or several sizes.")
    quality: Text = Field("", description="Of an image, such as hd.")
    input: Amount = Field("", description="Prompt tokens.")
    output: Amount = Field("", description="Answer tokens.")
    cached_input: Amount = Field("", description="Prompt tokens that the upstream's cache had.")
    cache_write: Amount = Field("", description="Prompt tokens that are written to the cache.")
    cache_write_1h: Amount = Field("", description="The same, kept for an hour.")
    reasoning_output: Amount = Field("", description="Hidden reasoning.")
    audio_input: Amount = Field("", description="Audio in prompts.")
    audio_output: Amount = Field("", description="Audio in answers.")
    audio_cached_input: Amount = Field("", description="Cached audio.")
    audio_cache_write: Amount = Field("", description="Audio that is written to the cache.")
    image_input: Amount = Field("", description="Images in prompts, by tokens.")
    image_output: Amount = Field("", description="Images in answers, by tokens.")
    image_cached_input: Amount = Field("", description="Cached images.")
    image: Amount = Field("", description="An image.")
    web_search: Amount = Field("", description="A search of the web.")
    second: Amount = Field("", description="A second of audio.")
    character: Amount = Field("", description="A character of text.")
    query: Amount = Field("", description="A query.")
    maps_query: Amount = Field("", description="A query of maps.")
    video_second: Amount = Field("", description="A second of video.")


Prices = PriceFields | Annotated[list[PriceFields], Field(max_length=LISTED_MAX)]


class FamilyFields(Body):
    """Models that share limits."""

    kind: Literal["standard", "premium", "image", "image_legacy", "other"] = Field(
        "other", description="Which error number a full quota answers with."
    )


class ModelFields(Body):
    """A model, or with * in its name all models of a list that it fits. Without list and price it is not for
    sale."""

    family: Name = Field("", description="The family that it shares limits with; empty: other.")
    kind: Text = Field("", description="chat, embedding, …; empty: as the official list says.")
    list: Text = Field("", description='Priced by the official list: "openai/gpt-4o", or "openai/*".')
    price: Prices = Field([], description="Or by prices of its own.")
    max_input_tokens: Count | None = Field(None, description="Longest prompt; null: as the list says.")
    max_output_tokens: Count | None = Field(None, description="Longest answer; null: as the list says.")
    image_tokens_max: Count | None = Field(None, description="Most tokens that one image of a prompt costs.")
    aliases: Names = Field([], description="Other names of it.")
    owned_by: Text = Field("", description="Shown by /v1/models; empty: the list's provider.")


class LimitFields(Body):
    """How much may be used in any window by each subject. At least one of the last four."""

    family: Name | Names = Field("", description="A family, or several counted together; empty: all models.")
    per: Literal["key", "address", "account", "plan"] | list[Literal["key", "address", "account", "plan"]] = (
        Field(["key", "address"], description="Whose use is counted; a call must pass each.")
    )
    window: Text = Field("1 hour", description='"30 s", "5 minutes", "1 day": at most 31 days. It slides.')
    requests: Count | None = Field(None, description="Calls.")
    tokens: Count | None = Field(None, description="Tokens of prompts and answers.")
    spend: Amount | None = Field(None, description="Money charged, in the operator's currency.")
    concurrency: Count | None = Field(None, description="Calls at the same time.")


class PlanFields(Body):
    """What a plan's members may call, how much, and at which multiplier."""

    kind: Literal["free", "paid"] = Field(description="Calls on a free plan cost nothing.")
    models: Names = Field(["*"], description='Names, patterns, "family:NAME"; a leading ! takes out again.')
    endpoints: Names = Field(["*"], description="Such as chat/completions; * is all.")
    streaming: bool = Field(True, description="Whether answers may be streamed.")
    request_tokens_max: Count | None = Field(None, description="Prompt and asked-for answer together.")
    input_tokens_max: Count | None = Field(None, description="The longest prompt.")
    multiplier: Amount = Field("1", description="Of list prices.")
    multipliers: dict[Name, Amount] = Field(
        {},
        max_length=LISTED_MAX,
        description="The same for some models, by name or pattern; the first fits.",
    )
    limits: Annotated[list[LimitFields], Field(max_length=LISTED_MAX)] = Field([], description="Its limits.")


class HealthFields(Body):
    """When a channel is left alone for a model, and how it comes back."""

    window_s: Seconds = Field(60.0, description="Failures are counted over so many seconds.")
    calls_min: Positive = Field(20, description="Fewer calls in the window say nothing of the error rate.")
    error_rate: Annotated[float, Field(gt=0, le=1)] = Field(0.5, description="The share that opens it.")
    consecutive: Positive = Field(10, description="Or so many failures in a row.")
    cool_down_s: Seconds = Field(5.0, description="How long it is left alone at first.")
    cool_down_max_s: Seconds = Field(300.0, description="And at most.")
    ramp_s: SecondsOrOff = Field(30.0, description="How long until it gets its full share again.")
    probe_every_s: SecondsOrOff = Field(0.0, description="Seconds between the relay's own calls; 0: none.")
    probe_model: Text = Field("", description="A model that is probed also while all is well.")


class CredentialFields(Body):
    """A credential's share and ceilings; null is no ceiling. The secret is not among them."""

    weight: Positive = Field(1, description="Its share of the channel's calls.")
    concurrency: Positive | None = Field(None, description="Calls at once.")
    requests_per_minute: Positive | None = Field(None, description="Calls in any minute.")
    tokens_per_minute: Positive | None = Field(None, description="Tokens in any minute.")


class NamedCredential(CredentialFields):
    """One of several credentials of a channel."""

    name: Name = Field(description="Letters, digits, _, . and -.")


class ChannelFields(Body):
    """A channel. What is left out, or null, its preset says. "(kept)" as a header's value, and in place of a
    proxy's user and password, is what is stored: they are never shown."""

    preset: Text = Field("openai-compatible", description="The kind of upstream.")
    base_url: str = Field("", max_length=2_000, description="Up to and with /v1; empty: the preset's.")
    api_version: Text = Field("", description="What an Azure deployment is asked in.")
    dialects: list[Literal["openai", "anthropic", "gemini"]] = Field([], description="APIs that it speaks.")
    auth: Text = Field("", description="bearer, header:NAME or none; empty: as the preset says.")
    models: Names = Field(["*"], description="What it offers: names and patterns; a leading ! takes out.")
    model_map: dict[Name, Name] = Field(
        {}, max_length=LISTED_MAX, description="What the upstream calls a model; one * on each side."
    )
    priority: Annotated[int, Field(ge=-(2**31), lt=2**31)] = Field(0, description="Lower is tried first.")
    weight: Count = Field(1, description="Its share among channels of one priority; 0 comes last.")
    enabled: bool = Field(True, description="Whether it is used at all.")
    credentials: Annotated[list[NamedCredential], Field(max_length=LISTED_MAX)] = Field(
        [], description='Several credentials; none: it has one, called "default".'
    )
    proxy: str = Field("", max_length=2_000, description="http://, socks5:// or socks5h://.")
    headers: dict[Name, Annotated[str, StringConstraints(max_length=8_000)]] = Field(
        {}, max_length=100, description="Added to each request. Values are never shown."
    )
    drop: Names = Field([], description="Members of a request's body that are left out.")
    rename: dict[Name, Name] = Field(
        {}, max_length=LISTED_MAX, description="Members that are called otherwise."
    )
    connect_s: Seconds | None = Field(None, description="Seconds to connect.")
    tls_s: Seconds | None = Field(None, description="Seconds for the TLS handshake.")
    header_s: Seconds | None = Field(None, description="Seconds until the answer's head.")
    first_byte_s: Seconds | None = Field(None, description="Seconds until the answer's first byte.")
    idle_s: Seconds | None = Field(None, description="Seconds between two pieces of an answer.")
    total_s: Seconds | None = Field(None, description="Seconds for the whole call.")
    connection_idle_s: Seconds | None = Field(None, description="Seconds that an unused connection is kept.")
    connections_max: Positive | None = Field(None, description="Connections to the upstream.")
    keep_alive_s: SecondsOrOff = Field(0.0, description="Seconds between comments in a waiting stream.")
    tls_verify: bool = Field(True, description="Check the upstream's certificate.")
    ca_file: str = Field("", max_length=2_000, description="Certificates to trust, instead of the machine's.")
    health: HealthFields = Field(
        HealthFields.model_validate({}), description="When it is left alone after failures."
    )
    cost_multiplier: Amount = Field("1", description="What the upstream takes, as a ratio of its list price.")
    costs: dict[Name, Prices] = Field(
        {}, max_length=LISTED_MAX, description="Or outright, by model or pattern, in the operator's currency."
    )


Fields = TypeVar("Fields", bound=Body)


def fields_of(body: Body) -> dict[str, Any]:
    """What a definition is made of: the fields that the request names."""
    return body.model_dump(exclude_unset=True)


def shown(model: type[Fields], definition: Definition) -> Fields:
    """A definition as answers show it: without secrets, and without what it leaves out (routes say
    `response_model_exclude_unset`)."""
    fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(masked(definition)))
    if model is ChannelFields:
        del fields["name"]
    return model.model_validate(fields)
