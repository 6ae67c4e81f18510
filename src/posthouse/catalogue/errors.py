"""What an operator's configuration can have wrong with it."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from posthouse.kernel.problems import Declined, FieldError, UnfitValue

Path = tuple[str | int, ...]


class Problem(Struct, frozen=True):
    """One thing to put right. `path` is where: ("plans", "free", "limits", 0, "requests"); `kind` and
    `context` as in FieldError; `line` is 0 where there is no file; `key` is the member of the path that the
    line is looked up for."""

    path: Path
    kind: str
    context: Mapping[str, object] = {}
    line: int = 0
    key: str = ""

    @staticmethod
    def of(error: UnfitValue, path: Path) -> "Problem":
        """A value of what is at `path` that can't be what it stands for."""
        inner = error.error.field.split(".", 1) if error.error.field else ()
        return Problem((*path, *inner), error.error.kind, error.error.context)

    def told_of(self, definition: str = "") -> FieldError:
        """The same for a form. `definition`: the name of the one that the form is of, whose fields are then
        told by their own names."""
        is_within = bool(definition) and len(self.path) > 1 and self.path[1] == definition
        path = self.path[2:] if is_within else self.path
        return FieldError(".".join(map(str, path)), self.kind, self.context, self.line)


class ConfigurationError(Declined):
    """The configuration is refused as a whole and nothing was changed. The message has a line for each
    problem: `operator.toml:14: plans.free: unknown field 'modles'; did you mean 'models'?`"""

    code = "invalid_configuration"

    def __init__(self, problems: Sequence[Problem], *, source: str = "") -> None:
        super().__init__()
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        self.errors = tuple(problem.told_of() for problem in self.problems)
        self._source = source

    def __str__(self) -> str:
        return "\n".join(_render(problem, self._source) for problem in self.problems)


class ChangedMeanwhile(Declined):
    """What was to be changed is no longer what the caller has seen; nothing was changed."""

    code = "changed_meanwhile"


def dotted(path: Path) -> str:
    """A path as TOML writes it: `models."gpt-3.5-turbo".price[1].input`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if part.replace("-", "").replace("_", "").isalnum() else f'"{part}"'
            text += f".{name}" if text else name
    return text


def _render(problem: Problem, source: str) -> str:
    place = f"{source}:{problem.line}: " if problem.line else f"{source}: " if source else ""
    where = dotted(problem.path)
    message = FieldError("", problem.kind, problem.context).told("en")
    return f"{place}{where}: {message}" if where else f"{place}{message}"
