"""The texts of mails: data/mails/LANGUAGE/NAME.txt, its first line the subject, an empty line, the text; both
with {fields}. Plain text only."""

from functools import cache
from importlib import resources

import msgspec

from posthouse.kernel.errors import Language


class Letter(msgspec.Struct, frozen=True):
    """A mail as written; the sender's address and the date are added when it goes out."""

    to: str
    subject: str
    text: str

    def __repr__(self) -> str:
        return "Letter(…)"  # its links are secrets


NOBODY = Letter("", "", "")  # discarded by who sends: see outbox.post


def write(name: str, language: Language, to: str, **fields: object) -> Letter:
    """Fill a text in; a paragraph of nothing but an empty field is left out. Raises KeyError for a field that
    it needs and did not get."""
    subject, _, text = _template(name, language).partition("\n\n")
    paragraphs = (paragraph.format_map(fields) for paragraph in text.split("\n\n"))
    return Letter(to, " ".join(subject.format_map(fields).split()), "\n\n".join(filter(None, paragraphs)))


@cache
def _template(name: str, language: Language) -> str:
    return (resources.files("posthouse") / "data" / "mails" / language / f"{name}.txt").read_text("utf-8")
