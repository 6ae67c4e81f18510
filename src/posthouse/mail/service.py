"""Sends what waits in the outbox, from one background thread."""

import smtplib
import threading
from collections.abc import Callable

from structlog import get_logger

from posthouse.kernel.clock import now_ms
from posthouse.kernel.secrets import SecretBox, UnreadableSecret
from posthouse.mail.letters import NOBODY, Letter
from posthouse.mail.outbox import Waiting, claim, due, opened, postpone, remove
from posthouse.mail.smtp import MailRefused, MailServer, deliver
from posthouse.observe.log import describe
from posthouse.store.engine import Store

POLL_S = 1.0  # how long a mail waits that another process has written
BATCH = 20  # mails looked up at once
FAULT_S = 10.0  # after a fault, so that one that lasts does not fill the log
RETRY_S = (30, 60, 300, 900, 3600)  # after each try that failed; the last from then on
STOP_S = 5.0  # what a mail under way gets when the server stops; it is sent again otherwise

log = get_logger()


class Mailer:
    """Sends with what `server` says at the time; while that is None there is no mail server, and mails are
    shown in the log, for development. A mail goes out at least once."""

    def __init__(self, store: Store, box: SecretBox, server: Callable[[], MailServer | None]) -> None:
        self._store = store
        self._box = box
        self._server = server
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mail", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Begin no other mail, and wait a little for the one under way."""
        self._stopping.set()
        self._woken.set()
        self._thread.join(STOP_S)

    def wake(self) -> None:
        """A mail was written and committed: don't wait to look."""
        self._woken.set()

    def try_now(self, letter: Letter) -> bool:
        """Hand a mail over at once, to see whether that works; False: there is no mail server. Raises
        MailRefused, SMTPException, OSError, UnreadableSecret, StoreDown."""
        server = self._server()
        if server is not None:
            deliver(server, letter)
        return server is not None

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                wait_s = 0.0 if self.send_due() else POLL_S
            except Exception as error:  # the store is down, or a fault of ours: later mails are still sent
                log.error("mail_fault", **describe(error))
                wait_s = FAULT_S
            self._woken.wait(wait_s)

    def send_due(self) -> bool:
        """Try each mail that is due; whether there may be more. Raises StoreDown, UnreadableSecret where the
        mail server's password does not open."""
        waiting = due(self._store, now_ms=now_ms(), limit=BATCH)
        server = self._server() if waiting else None
        for mail in waiting:
            if self._stopping.is_set():
                break
            if claim(self._store, mail, now_ms=now_ms()):
                self._send(mail, server)
        return len(waiting) == BATCH

    def _send(self, mail: Waiting, server: MailServer | None) -> None:
        """Try one, and remove it or put it off. Raises StoreDown."""
        try:
            self._hand_over(mail, server)
        except (MailRefused, UnreadableSecret) as error:
            self._give_up(mail, error)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            retry_s = RETRY_S[min(mail.tries, len(RETRY_S) - 1)]
            at_ms = now_ms() + retry_s * 1000
            if at_ms >= mail.expires_ms:
                self._give_up(mail, error)
                return
            log.warning("mail_put_off", mail=mail.id, tries=mail.tries + 1, error=type(error).__name__)
            postpone(self._store, mail.id, due_ms=at_ms)
        else:
            remove(self._store, mail.id)

    def _hand_over(self, mail: Waiting, server: MailServer | None) -> None:
        letter = opened(self._box, mail)
        if letter == NOBODY:
            return
        if server is None:
            _show(letter)
        else:
            deliver(server, letter)

    def _give_up(self, mail: Waiting, error: Exception) -> None:
        status = error.status if isinstance(error, MailRefused) else 0
        log.error("mail_lost", mail=mail.id, tries=mail.tries + 1, status=status, error=type(error).__name__)
        remove(self._store, mail.id)


def _show(letter: Letter) -> None:
    """Without a mail server: for who develops, or sets the site up."""
    log.warning("mail_shown", to=letter.to, subject=letter.subject, text=letter.text)
