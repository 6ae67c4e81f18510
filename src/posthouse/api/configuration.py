"""The whole configuration as the file that `posthouse apply` reads."""

from typing import Annotated

from pydantic import Field, StringConstraints

from posthouse.api.context import Here, Who
from posthouse.api.editing import VERSION, Changes, DryRun, make, refused
from posthouse.api.frame import Router
from posthouse.api.permissions import Permission
from posthouse.api.values import Answer, Body
from posthouse.catalogue.document import read_document
from posthouse.catalogue.edits import applying, version_of_all
from posthouse.catalogue.errors import ConfigurationError
from posthouse.catalogue.queries import read_definitions
from posthouse.catalogue.toml_text import toml_text

router = Router("configuration")

FILE_CHARS_MAX = 900_000  # within the API's bound on bodies

Toml = Annotated[str, StringConstraints(max_length=FILE_CHARS_MAX, strip_whitespace=False)]
Value = Annotated[str, StringConstraints(max_length=8_000, strip_whitespace=False)]


class ConfigurationAnswer(Answer):
    """The configuration without its secrets."""

    version: str = Field(description="Of all definitions together.")
    toml: str = Field(description='The file. "(kept)" stands for what is stored and not shown.')


class ConfigurationBody(Body):
    """A file to apply."""

    version: str | None = Field(None, max_length=40, description=VERSION + " Null: whatever is there.")
    toml: Toml = Field(description="TOML. Tables that it does not have stay as they are.")
    variables: dict[Annotated[str, StringConstraints(max_length=100)], Value] = Field(
        {},
        max_length=200,
        description="What each ${NAME} of the file stands for. The server's environment is not looked at.",
    )


@router.get("/configuration", Permission.CATALOGUE_READ)
def export_configuration(here: Here) -> ConfigurationAnswer:
    """Export the configuration.

    Applied again it changes nothing. Credentials and other secrets are not in it."""
    with here.store.read() as connection:
        definitions = read_definitions(connection)
    return ConfigurationAnswer(version=version_of_all(definitions), toml=toml_text(definitions))


@router.post("/configuration", Permission.SETTINGS_WRITE)
def apply_configuration(here: Here, who: Who, body: ConfigurationBody, dry_run: DryRun = False) -> Changes:
    """Make the configuration what a file says, all or nothing, or preview the difference."""
    try:
        document = read_document(body.toml, source="", environment=body.variables)
    except ConfigurationError as error:
        raise refused(error) from None
    return make(
        here,
        who,
        applying(document, seen=body.version),
        dry_run=dry_run,
        secrets=document.credentials,
        blame=document.error,
    )
