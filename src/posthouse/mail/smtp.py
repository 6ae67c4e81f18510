"""Hands a mail to the operator's mail server."""

import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Literal

import msgspec

from posthouse.kernel.errors import PosthouseError
from posthouse.kernel.secrets import SecretText
from posthouse.mail.letters import Letter

TIMEOUT_S = 20.0  # of each step; a server that greylists answers within it


class MailServer(msgspec.Struct, frozen=True, kw_only=True):
    """Where mails go out. `sender` is an address, `sender_name` stands before it."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    username: str
    password: SecretText
    sender: str
    sender_name: str


class MailRefused(PosthouseError):
    """The mail server takes this mail neither now nor later. `status`: its code; 0: no address."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the mail server refused a mail ({status})")
        self.status = status


def deliver(server: MailServer, letter: Letter) -> None:
    """Send it, or raise: MailRefused for good, SMTPException or OSError for now."""
    message = _message(server, letter)
    try:
        with _connected(server) as smtp:
            if server.username:
                smtp.login(server.username, server.password.reveal())
            smtp.send_message(message, server.sender, [letter.to])
    except smtplib.SMTPRecipientsRefused as error:
        _raise_for_good(min(code for code, _ in error.recipients.values()), error)
    except smtplib.SMTPDataError as error:
        _raise_for_good(error.smtp_code, error)


def _raise_for_good(status: int, error: smtplib.SMTPException) -> None:
    if status >= 500:  # RFC 5321, 4.2.1: a permanent refusal
        raise MailRefused(status) from None
    raise error


def _message(server: MailServer, letter: Letter) -> EmailMessage:
    """Raises MailRefused for an address that no mail can go to."""
    message = EmailMessage()
    try:
        message["From"] = Address(server.sender_name, addr_spec=server.sender)
        message["To"] = Address(addr_spec=letter.to)
    except Exception:  # the standard library's parser raises whatever it stumbles over
        raise MailRefused(0) from None
    message["Subject"] = letter.subject
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = make_msgid(domain=server.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation notices back
    message.set_content(letter.text)
    return message


def _connected(server: MailServer) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=context)
    smtp = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
    if server.security == "starttls":
        try:
            smtp.starttls(context=context)  # raises where the server has none: never a mail in the clear
        except BaseException:
            smtp.close()
            raise
    return smtp
