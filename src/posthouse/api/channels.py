"""Channels to upstreams: what they are, and changing them. Credentials go in and never come out."""

from collections.abc import Collection
from typing import Annotated, Literal

from fastapi import Path
from msgspec import structs
from pydantic import Field

from posthouse.api.context import Here, Who
from posthouse.api.definitions import (
    NAME_CHARS_MAX,
    ChannelFields,
    CredentialFields,
    Name,
    fields_of,
    shown,
)
from posthouse.api.editing import (
    Changes,
    DefinitionBody,
    DryRun,
    Version,
    answer,
    check_known,
    put,
    refused,
    remove,
)
from posthouse.api.frame import Router
from posthouse.api.permissions import Permission
from posthouse.api.problems import Problem
from posthouse.api.values import PAGE, After, Answer, Body, Limit, Listing, Whole, cursor, cursor_parts
from posthouse.catalogue.channels import resolved
from posthouse.catalogue.credentials import put_credential, remove_credential
from posthouse.catalogue.edits import version_of
from posthouse.catalogue.errors import ConfigurationError
from posthouse.catalogue.queries import ChannelRecord, load_channels
from posthouse.catalogue.service import set_by_hand
from posthouse.kernel.problems import UnfitValue
from posthouse.kernel.secrets import SecretText
from posthouse.providers.presets import presets
from posthouse.routing.channels import DEFAULT_CREDENTIAL, CredentialDef, is_header_text

router = Router("channels")

ChannelName = Annotated[str, Path(max_length=NAME_CHARS_MAX, description="The channel's name.")]
Secret = Annotated[str, Field(min_length=1, max_length=8_000)]
Reason = Annotated[str, Field(max_length=500)]


class CredentialAnswer(CredentialFields):
    """A credential without its secret."""

    name: str = Field(description="Its name.")
    is_stored: bool = Field(description="Whether its secret is there.")
    state: Literal["enabled", "draining", "disabled", "out"] = Field(
        description="out: the upstream no longer takes it; the others by hand."
    )
    reason: str = Field(description="Why it is not enabled.")
    since_ms: int = Field(description="Since when; 0: it is enabled.")


class ChannelAnswer(Answer):
    """A channel."""

    name: str = Field(description="Its name.")
    version: str = Field(description="Of its definition; each change names the one that it was made from.")
    state: Literal["enabled", "draining", "disabled"] = Field(
        description="By hand or by its definition. Draining: no new calls but those that belong to it."
    )
    reason: str = Field(description="Why it is not enabled.")
    since_ms: int = Field(description="Since when; 0: it is enabled, or disabled by its definition.")
    preset_title: str = Field(description="What its kind of upstream is called.")
    base_url: str = Field(description="Where it leads, also where its preset says so.")
    dialects: list[str] = Field(description="The APIs that it speaks.")
    model_count: int = Field(description="How many models of the catalogue it offers.")
    credentials: list[CredentialAnswer] = Field(description="Its credentials, without their secrets.")
    definition: ChannelFields = Field(description="What the operator says of it.")


class ChannelBody(DefinitionBody[ChannelFields]):
    """A channel as it is to be."""

    credential: Secret | None = Field(
        None, description='The secret of its credential "default"; null: as it was.'
    )


class CredentialBody(CredentialFields):
    """A credential as it is to be."""

    secret: Secret | None = Field(None, description="Null: as it was.")


class StateBody(Body):
    """What somebody decides by hand."""

    state: Literal["enabled", "draining", "disabled"] = Field(
        description="Enabled also forgets all that was held against it."
    )
    credential: Name = Field("", description="Only this one of its credentials; not with draining.")
    reason: Reason = Field("", description="Why; kept with the event.")


class PresetAnswer(Answer):
    """A kind of upstream."""

    name: str = Field(description="What a channel's `preset` says.")
    title: str = Field(description="What people call it.")
    base_url: str = Field(description="Empty where a channel must say it.")
    api_version: str = Field(description="The one that it is asked in, if any.")
    dialects: list[str] = Field(description="The APIs that it speaks.")
    source: str = Field(description="The provider's page that says so.")


@router.get("/presets", Permission.CHANNELS_READ)
def list_presets() -> Whole[PresetAnswer]:
    """List the kinds of upstream that are known."""
    items = [
        PresetAnswer(
            name=name,
            title=one.title,
            base_url=one.base_url,
            api_version=one.api_version,
            dialects=[*one.dialects],
            source=one.source,
        )
        for name, one in presets().items()
    ]
    return Whole(items=items)


@router.get("/channels", Permission.CHANNELS_READ, response_model_exclude_unset=True)
def list_channels(here: Here, after: After = "", limit: Limit = PAGE) -> Listing[ChannelAnswer]:
    """List the channels in the order in which they are tried."""
    records = load_channels(here.store)
    if after:
        place = cursor_parts(after, int, str)
        records = [one for one in records if _place(one) > place]
    models = [one.name for one in here.market.catalogue.models()]
    shown_now = records[:limit]
    more = cursor(*_place(shown_now[-1])) if len(records) > limit else ""
    return Listing(items=[_channel(one, models) for one in shown_now], next=more)


@router.get("/channels/{name}", Permission.CHANNELS_READ, response_model_exclude_unset=True)
def get_channel(here: Here, name: ChannelName) -> ChannelAnswer:
    """Show a channel."""
    record = next((one for one in load_channels(here.store) if one.definition.name == name), None)
    if record is None:
        raise Problem("not_found")
    return _channel(record, [one.name for one in here.market.catalogue.models()])


@router.put("/channels/{name}", Permission.CHANNELS_WRITE)
def put_channel(
    here: Here, who: Who, name: ChannelName, body: ChannelBody, dry_run: DryRun = False
) -> Changes:
    """Add or change a channel.

    Running calls end on the terms that they began with."""
    secrets = {}
    if body.credential is not None:
        secrets[name, DEFAULT_CREDENTIAL] = secret_of(body.credential, "credential")
    return put(here, who, "channel", name, body, dry_run=dry_run, secrets=secrets)


@router.delete("/channels/{name}", Permission.CHANNELS_WRITE)
def delete_channel(
    here: Here, who: Who, name: ChannelName, version: Version, dry_run: DryRun = False
) -> Changes:
    """Remove a channel and its credentials."""
    return remove(here, who, "channel", name, seen=version, dry_run=dry_run)


@router.put("/channels/{name}/state", Permission.CHANNELS_WRITE)
def put_channel_state(here: Here, who: Who, name: ChannelName, body: StateBody) -> None:
    """Enable, drain or disable a channel or one of its credentials.

    What is set by hand outlives restarts and changes of the configuration."""
    if body.credential and body.state == "draining":
        raise UnfitValue("state", "no_draining")
    check_known(here, "channel", name)
    try:
        set_by_hand(
            here.store,
            name,
            body.credential,
            body.state,
            reason=body.reason,
            now_ms=here.now_ms(),
            actor=who.actor,
        )
    except ConfigurationError as error:
        raise refused(error) from None


@router.put("/channels/{name}/credentials/{credential}", Permission.CHANNELS_WRITE)
def put_channel_credential(
    here: Here, who: Who, name: ChannelName, credential: ChannelName, body: CredentialBody
) -> Changes:
    """Add a credential to a channel, or change it."""
    check_known(here, "channel", name)
    fields = fields_of(body)
    secret = None if fields.pop("secret", None) is None else secret_of(body.secret or "", "secret")
    try:
        changes = put_credential(
            here.store,
            here.box,
            name,
            credential,
            fields,
            now_ms=here.now_ms(),
            actor=who.actor,
            credential=secret,
        )
    except ConfigurationError as error:
        raise refused(error, ("channel", name)) from None
    return answer(changes, [], dry_run=False)


@router.delete("/channels/{name}/credentials/{credential}", Permission.CHANNELS_WRITE)
def delete_channel_credential(here: Here, who: Who, name: ChannelName, credential: ChannelName) -> Changes:
    """Take a credential out of a channel and delete its secret."""
    check_known(here, "channel", name)
    try:
        changes = remove_credential(
            here.store, here.box, name, credential, now_ms=here.now_ms(), actor=who.actor
        )
    except ConfigurationError as error:
        raise refused(error, ("channel", name)) from None
    return answer(changes, [], dry_run=False)


def secret_of(text: str, field: str) -> SecretText:
    """Raises Problem for a text that could split a request."""
    if not is_header_text(text):
        raise UnfitValue(field, "ascii")
    return SecretText(text)


def _place(record: ChannelRecord) -> tuple[int, str]:
    return record.definition.priority, record.definition.name


def _channel(record: ChannelRecord, models: Collection[str]) -> ChannelAnswer:
    definition, apart = record.definition, record.apart.get("")
    spec = resolved(definition)
    by_definition = "enabled" if definition.enabled else "disabled"
    return ChannelAnswer(
        name=definition.name,
        version=version_of(definition),
        state=apart.state if apart else by_definition,  # type: ignore[arg-type]  # a channel is never out
        reason=apart.reason if apart else "",
        since_ms=apart.since_ms if apart else 0,
        preset_title=presets()[definition.preset].title,
        base_url=spec.base_url,
        dialects=[*spec.dialects],
        model_count=sum(map(structs.replace(spec, enabled=True).offers, models)),
        credentials=[_credential(one, record) for one in spec.credentials],
        definition=shown(ChannelFields, definition),
    )


def _credential(one: CredentialDef, record: ChannelRecord) -> CredentialAnswer:
    apart = record.apart.get(one.name)
    return CredentialAnswer(
        name=one.name,
        weight=one.weight,
        concurrency=one.concurrency,
        requests_per_minute=one.requests_per_minute,
        tokens_per_minute=one.tokens_per_minute,
        is_stored=one.name in record.stored,
        state=apart.state if apart else "enabled",
        reason=apart.reason if apart else "",
        since_ms=apart.since_ms if apart else 0,
    )
