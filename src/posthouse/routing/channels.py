"""A channel: one way to an upstream, and what it offers."""

from fnmatch import fnmatchcase

from msgspec import Struct


class ChannelSpec(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """`models`: names as members ask for them, `*` and `?` as in file names. `model_map`: member's name to
    upstream's name; one `*` on each side carries what it stood for ("*-ca" = "*"). Lower `priority` is tried
    first, `weight` shares the calls among channels of one priority. Deadlines: connecting; the answer's head;
    between two pieces of the answer; the whole call. `proxy`: an HTTP proxy's URL. `cost_multiplier`: what
    the upstream takes, as a ratio of its list price."""

    name: str
    base_url: str
    models: tuple[str, ...] = ("*",)
    model_map: dict[str, str] = {}
    priority: int = 0
    weight: int = 1
    enabled: bool = True
    proxy: str = ""
    headers: dict[str, str] = {}
    connect_s: float = 5.0
    head_s: float = 600.0  # a reasoning model may think for minutes before its first byte
    idle_s: float = 300.0
    total_s: float = 3600.0
    tls_verify: bool = True
    ca_file: str = ""
    cost_multiplier: str = "1"

    def offers(self, model: str) -> bool:
        """Whether a call for this model may go here."""
        return self.enabled and (
            model in self.models or any(fnmatchcase(model, pattern) for pattern in self.models)
        )

    def upstream_model(self, model: str) -> str:
        """What this upstream calls the model: an exact entry of `model_map`, else its first fitting pattern,
        else the same name."""
        exact = self.model_map.get(model)
        if exact is not None:
            return exact
        for pattern, target in self.model_map.items():
            head, star, tail = pattern.partition("*")
            if (
                star
                and len(model) > len(head) + len(tail)
                and model.startswith(head)
                and model.endswith(tail)
            ):
                return target.replace("*", model[len(head) : len(model) - len(tail)])
        return model
