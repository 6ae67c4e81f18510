"""Uploaded images, kept under names made of their content."""

from sqlalchemy import delete, select

from posthouse.desk.errors import UnknownThing
from posthouse.desk.rules import image_name
from posthouse.store.engine import Store
from posthouse.store.schema_desk import images
from posthouse.store.upsert import insert_if_absent


def put_image(store: Store, body: bytes, *, now_ms: int) -> str:
    """Keep an image; its name. The same image again changes nothing. Raises UnfitValue."""
    name = image_name(body)
    with store.begin() as connection:
        insert_if_absent(connection, images, {"name": name, "body": body, "created_ms": now_ms})
    return name


def read_image(store: Store, name: str) -> bytes:
    """Raises UnknownThing."""
    with store.read() as connection:
        body: bytes | None = connection.execute(select(images.c.body).where(images.c.name == name)).scalar()
    if body is None:
        raise UnknownThing(f"there is no image {name!r}")
    return body


def keep_only(store: Store, names: tuple[str, ...]) -> None:
    """Delete all other images."""
    with store.begin() as connection:
        connection.execute(delete(images).where(images.c.name.not_in(names)))
