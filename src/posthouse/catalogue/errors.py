"""What an operator's configuration can have wrong with it."""

from collections.abc import Sequence

from msgspec import Struct

from posthouse.kernel.errors import PosthouseError

Path = tuple[str | int, ...]


class Problem(Struct, frozen=True):
    """One thing to put right. `path` is where: ("plans", "free", "limits", 0, "requests"); `key` is the
    member of it that the line is looked up for; `line` is 0 where there is no file."""

    path: Path
    message: str
    line: int = 0
    key: str = ""


class ConfigurationError(PosthouseError):
    """The configuration is refused as a whole and nothing was changed. The message has a line for each
    problem: `operator.toml:14: plans.free: unknown field 'modles'; did you mean 'models'?`"""

    def __init__(self, problems: Sequence[Problem], *, source: str = "") -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(_render(problem, source) for problem in self.problems))


class ChangedMeanwhile(PosthouseError):
    """What was to be changed is no longer what the caller has seen; nothing was changed."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} has been changed meanwhile; look at it again")


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
    return f"{place}{where}: {problem.message}" if where else f"{place}{problem.message}"
