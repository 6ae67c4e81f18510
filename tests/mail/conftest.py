"""A real SMTP server on loopback that keeps what it got."""

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import Envelope, Session

from posthouse.kernel.secrets import SecretText
from posthouse.mail.smtp import MailServer


class Postbox:
    """Takes mails, or answers with `refusals`, one for each try."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refusals: list[str] = []

    async def handle_DATA(self, _server: Server, _session: Session, envelope: Envelope) -> str:
        if self.refusals:
            return self.refusals.pop(0)
        content: Any = envelope.content
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        assert envelope.rcpt_tos == [message["To"]]
        self.mails.append(message)
        return "250 OK"


class OnFreePort(Controller):
    """aiosmtpd's controller asks at the port that it was told, even where that is 0; this one looks."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def server(postbox: Postbox) -> Iterator[MailServer]:
    controller = OnFreePort(postbox, hostname="127.0.0.1", port=0)
    controller.start()
    yield MailServer(
        host="127.0.0.1",
        port=controller.port,
        security="none",
        username="",
        password=SecretText(""),
        sender="relay@example.org",
        sender_name="Posthouse, 中继",
    )
    controller.stop()
