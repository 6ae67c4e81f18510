"""Where links in mails lead, and the mails themselves as people need them."""

import msgspec

from posthouse.kernel.errors import Language
from posthouse.kernel.periods import HOUR_MS
from posthouse.mail.letters import Letter, write


class Site(msgspec.Struct, frozen=True):
    """What mails say of the site. `url` has no slash at its end; it is the operator's or the server's own,
    never what a request claims, so that nobody can have links mailed that lead elsewhere."""

    name: str
    url: str
    contact: str

    def link(self, page: str, token: str) -> str:
        """The token stands behind the #: browsers send it to nobody, and no proxy logs it."""
        return f"{self.url}/{page}#token={token}"

    def letter(self, name: str, language: Language, to: str, *, page: str = "", token: str = "") -> Letter:
        """One of the mails of data/mails that hold a link."""
        return write(
            name,
            language,
            to,
            site=self.name,
            link=self.link(page, token),
            hours=LINK_MS[page] // HOUR_MS if page else 0,
            sign_in=f"{self.url}/sign-in",
            reset=f"{self.url}/reset",
        )

    def warning(self, what: str, language: Language, to: str, *, stays: str = "") -> Letter:
        """That something about the account's safety has changed; `stays`: who can still come in."""
        return write(
            "security",
            language,
            to,
            site=self.name,
            what=WHAT[what][language],
            stays=STAYS[language].format(stays=stays, profile=f"{self.url}/profile") if stays else "",
            reset=f"{self.url}/reset",
            contact=self.contact or self.name,
        )


# How long a link counts, by the page that it leads to.
LINK_MS = {"verify": 24 * HOUR_MS, "reset": HOUR_MS, "confirm-email": 24 * HOUR_MS}

WHAT: dict[str, dict[Language, str]] = {
    "password": {"en": "the password", "zh": "密码"},
    "email": {"en": "the email address", "zh": "邮箱"},
    "totp_on": {"en": "sign-in now asks for a code as well", "zh": "登录时需要验证码（已开启）"},
    "totp_off": {"en": "sign-in no longer asks for a code", "zh": "登录时不再需要验证码"},
    "passkey": {"en": "a passkey was added", "zh": "添加了通行密钥"},
    "identity": {"en": "an account elsewhere can now sign in", "zh": "关联了第三方登录"},
}
STAYS: dict[Language, str] = {
    "en": "Sessions have ended. What stays: {stays}. Take away at {profile} what is not yours.",
    "zh": "登录会话已退出。仍然有效：{stays}。不属于您的请在 {profile} 撤销。",
}
