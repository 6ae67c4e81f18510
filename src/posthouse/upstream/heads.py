"""The head of a request to a channel's upstream, as far as it is the relay's own."""

from posthouse.kernel.secrets import SecretText
from posthouse.routing.channels import ChannelSpec, auth_line
from posthouse.upstream.client import Origin

USER_AGENT = "posthouse"


def request_head(
    origin: Origin, spec: ChannelSpec, method: str, target: str, dialect: str, credential: SecretText | None
) -> str:
    """Request line and headers, each with its line end; what describes the body and the blank line are still
    to come. `target`: path and query. It holds the credential: never to be shown."""
    lines = [
        f"{method} {origin.absolute_form}{target} HTTP/1.1",
        f"host: {origin.host_header}",
        f"user-agent: {USER_AGENT}",
        "accept-encoding: identity",
        *(f"{name.lower()}: {value}" for name, value in spec.headers.items()),
    ]
    if credential is not None:
        lines.append(auth_line(spec, dialect, credential.reveal()))
    return "\r\n".join(line for line in lines if line) + "\r\n" + origin.proxy_authorization
