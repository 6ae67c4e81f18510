"""What the API's document says of its routes, for tests that walk them all."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from msgspec import Struct

from posthouse.api.app import make_app
from posthouse.api.frame import BASE, UNSAFE


class Route(Struct, frozen=True):
    """One operation. `permission` is "public" or a Permission; `path` has {parameters} and no base."""

    method: str
    path: str
    name: str
    permission: str
    operation: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_unsafe(self) -> bool:
        return self.method in UNSAFE

    @property
    def parameters(self) -> list[str]:
        """Of the path, in its order."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    def filled(self, **values: str) -> str:
        """The path with its parameters in place: 1, where no value is given."""
        path = self.path
        for name in self.parameters:
            path = path.replace(f"{{{name}}}", values.get(name, "1"))
        return path


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    return make_app().openapi()


@cache
def routes() -> tuple[Route, ...]:
    return tuple(_routes())


def _routes() -> Iterator[Route]:
    for path, item in document()["paths"].items():
        assert path.startswith(BASE), path
        for method, operation in item.items():
            permission = operation["x-permission"]
            yield Route(
                method.upper(), path.removeprefix(BASE), operation["operationId"], permission, operation
            )
