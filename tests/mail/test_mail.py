import string
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs
from tests.mail.conftest import Postbox

from posthouse.kernel.clock import now_ms
from posthouse.kernel.secrets import SecretBox, SecretText
from posthouse.mail import outbox
from posthouse.mail.letters import NOBODY, Letter, write
from posthouse.mail.service import RETRY_S, Mailer
from posthouse.mail.smtp import MailRefused, MailServer, deliver
from posthouse.store.engine import Store
from posthouse.store.schema_people import mails

LINK = "https://relay.example.org/verify?token=abc"
LETTER = Letter("ann@example.org", "Verify 请确认", f"Open\n\n{LINK}\n")
TEMPLATES = Path(__file__).parents[2] / "src" / "posthouse" / "data" / "mails"
NAMES = sorted({path.name for path in TEMPLATES.glob("*/*.txt")})


def posted(store: Store, box: SecretBox, letter: Letter = LETTER) -> None:
    with store.begin() as connection:
        outbox.post(connection, box, letter, now_ms=now_ms())


def rows(store: Store) -> list[tuple[int, int]]:
    """Tries and when it is due, of what waits."""
    with store.read() as connection:
        return [tuple(row) for row in connection.execute(select(mails.c.tries, mails.c.due_ms))]


def fields_of(text: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(text) if field}


@pytest.mark.parametrize("name", NAMES)
def test_each_letter_is_written_in_both_languages_with_the_same_fields(name: str) -> None:
    english, chinese = ((TEMPLATES / language / name).read_text("utf-8") for language in ("en", "zh"))
    assert fields_of(english) == fields_of(chinese)
    for text in (english, chinese):
        subject, gap, body = text.partition("\n\n")
        assert (subject.count("\n"), gap) == (0, "\n\n")
        assert body.endswith("\n")
    assert any("一" <= letter <= "鿿" for letter in chinese)


def test_a_letter_is_filled_in_and_its_subject_stays_one_line() -> None:
    letter = write("reset", "en", "ann@example.org", site="A\r\nBcc: eve@example.org", link=LINK, hours=1)
    assert letter.subject == "Set a new password at A Bcc: eve@example.org"
    assert LINK in letter.text
    assert LINK not in repr(letter)
    with pytest.raises(KeyError):
        write("reset", "zh", "ann@example.org", site="A")


def test_a_mail_goes_out_once_and_is_gone(
    store: Store, box: SecretBox, server: MailServer, postbox: Postbox
) -> None:
    posted(store, box)
    mailer = Mailer(store, box, lambda: server)
    with capture_logs() as logs:
        assert mailer.send_due() is False
        assert mailer.send_due() is False
    (mail,) = postbox.mails
    assert (mail["To"], mail["Subject"]) == (LETTER.to, LETTER.subject)
    assert mail["From"].addresses[0].display_name == "Posthouse, 中继"
    assert mail["From"].addresses[0].addr_spec == "relay@example.org"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().replace("\r\n", "\n") == LETTER.text
    assert rows(store) == []
    assert logs == []


def test_what_waits_is_sealed(store: Store, box: SecretBox) -> None:
    posted(store, box)
    (waiting,) = outbox.due(store, now_ms=now_ms(), limit=9)
    assert b"token" not in waiting.sealed
    assert b"ann@" not in waiting.sealed
    assert outbox.opened(box, waiting) == LETTER
    moved = msgspec.structs.replace(waiting, id="mail_another")
    mailer = Mailer(store, box, lambda: None)
    with capture_logs() as logs:
        mailer._send(moved, None)  # another row's ciphertext does not open
    assert [(line["event"], line["error"]) for line in logs] == [("mail_lost", "UnreadableSecret")]


def test_without_a_mail_server_it_is_shown_in_the_log(store: Store, box: SecretBox) -> None:
    posted(store, box)
    with capture_logs() as logs:
        Mailer(store, box, lambda: None).send_due()
    assert [(line["event"], line["to"], line["text"]) for line in logs] == [
        ("mail_shown", LETTER.to, LETTER.text)
    ]
    assert rows(store) == []


def test_a_mail_to_nobody_is_dropped(
    store: Store, box: SecretBox, server: MailServer, postbox: Postbox
) -> None:
    posted(store, box, NOBODY)
    with capture_logs() as logs:
        Mailer(store, box, lambda: server).send_due()
        posted(store, box, NOBODY)
        Mailer(store, box, lambda: None).send_due()
    assert (postbox.mails, rows(store), logs) == ([], [], [])


def test_a_mail_that_is_put_off_goes_out_later(
    store: Store, box: SecretBox, server: MailServer, postbox: Postbox
) -> None:
    postbox.refusals = ["451 try again later"]
    posted(store, box)
    mailer, before_ms = Mailer(store, box, lambda: server), now_ms()
    with capture_logs() as logs:
        mailer.send_due()
    ((tries, due_ms),) = rows(store)
    assert tries == 1
    assert before_ms + RETRY_S[0] * 1000 <= due_ms <= now_ms() + RETRY_S[0] * 1000
    assert [line["event"] for line in logs] == ["mail_put_off"]
    assert LINK not in str(logs)
    assert "ann@" not in str(logs)
    with store.begin() as connection:
        connection.execute(update(mails).values(due_ms=0))
    mailer.send_due()
    assert [mail["To"] for mail in postbox.mails] == [LETTER.to]


def test_a_server_that_is_away_puts_off(store: Store, box: SecretBox, server: MailServer) -> None:
    away = msgspec.structs.replace(server, port=1)
    posted(store, box)
    Mailer(store, box, lambda: away).send_due()
    assert [tries for tries, _ in rows(store)] == [1]
    with store.begin() as connection:  # too old to be tried again
        connection.execute(update(mails).values(due_ms=0, expires_ms=now_ms()))
    with capture_logs() as logs:
        Mailer(store, box, lambda: away).send_due()
    assert rows(store) == []
    assert [(line["event"], line["tries"]) for line in logs] == [("mail_lost", 2)]


def test_a_mail_that_is_refused_for_good_is_lost(
    store: Store, box: SecretBox, server: MailServer, postbox: Postbox
) -> None:
    postbox.refusals = ["554 no"]
    posted(store, box)
    with capture_logs() as logs:
        Mailer(store, box, lambda: server).send_due()
    assert [(line["event"], line["status"]) for line in logs] == [("mail_lost", 554)]
    assert rows(store) == []


@pytest.mark.parametrize(
    "to", ["a b@example.org", "ann@example.org, eve@example.org", "ann", "a@[", '"@x.org']
)
def test_an_address_that_is_none_is_refused(server: MailServer, postbox: Postbox, to: str) -> None:
    with pytest.raises(MailRefused):
        deliver(server, Letter(to, "s", "t"))
    assert postbox.mails == []


def test_no_mail_goes_out_in_the_clear_where_starttls_is_asked_for(
    store: Store, box: SecretBox, server: MailServer, postbox: Postbox
) -> None:
    """The server has no STARTTLS."""
    posted(store, box)
    careful = msgspec.structs.replace(server, security="starttls", username="u", password=SecretText("p"))
    Mailer(store, box, lambda: careful).send_due()
    assert postbox.mails == []
    assert len(rows(store)) == 1


def test_one_process_sends_a_mail(store: Store, box: SecretBox) -> None:
    posted(store, box)
    (waiting,) = outbox.due(store, now_ms=now_ms(), limit=9)
    assert outbox.claim(store, waiting, now_ms=now_ms()) is True
    assert outbox.claim(store, waiting, now_ms=now_ms()) is False


@pytest.fixture
def mailer(store: Store, box: SecretBox, server: MailServer) -> Iterator[Mailer]:
    made = Mailer(store, box, lambda: server)
    made.start()
    yield made
    made.stop()


def test_the_thread_sends_when_it_is_woken(
    mailer: Mailer, store: Store, box: SecretBox, postbox: Postbox
) -> None:
    posted(store, box)
    mailer.wake()
    for _ in range(200):
        if postbox.mails and not rows(store):
            break
        mailer._stopping.wait(0.02)
    assert [mail["To"] for mail in postbox.mails] == [LETTER.to]
    assert rows(store) == []
