"""Tickets, announcements, pages, settings, members, keys and signals of abuse, as the API has them."""

import hashlib
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select
from tests.api.conftest import Api, Browser, Statements
from tests.mail.conftest import OnFreePort, Postbox

from posthouse.accounts.queries import get_key
from posthouse.accounts.service import create_key
from posthouse.catalogue.sealed import site_secret
from posthouse.desk.rules import PAGE_NAMES
from posthouse.kernel.clock import now_ms
from posthouse.store.schema import accounts
from posthouse.store.schema_desk import audit_log
from posthouse.store.schema_rollups import address_days
from posthouse.testing.waiting import eventually

PNG = b"\x89PNG\r\n\x1a\n..."


def fields_of(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {one["field"]: one["message"] for one in answer.json()["errors"]}


def asked(member: Browser, subject: str = "No credit", text: str = "I paid 10.") -> str:
    answer = member.post("/tickets", {"subject": subject, "text": text})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


# -- tickets -------------------------------------------------------------------------------------------------


def test_a_ticket_is_asked_answered_and_closed(api: Api) -> None:
    member, support = api.as_("member"), api.as_("support")
    ticket_id = asked(member)
    (listed,) = support.get("/admin/tickets", params={"account_id": member.account_id}).json()["items"]
    assert (listed["status"], listed["email"]) == ("open", member.email)
    answer = support.post(f"/admin/tickets/{ticket_id}/messages", {"text": "Look again."})
    assert (answer.status_code, answer.json()["status"]) == (201, "answered")
    thread = member.get(f"/tickets/{ticket_id}").json()
    assert [(one["is_staff"], one["text"]) for one in thread["messages"]] == [
        (False, "I paid 10."),
        (True, "Look again."),
    ]
    assert "author_email" not in thread["messages"][1]  # who of the desk it was is the desk's own
    assert member.post(f"/tickets/{ticket_id}/messages", {"text": "Now."}).json()["status"] == "open"
    assert member.post(f"/tickets/{ticket_id}/close").json()["status"] == "closed"
    seen = support.get(f"/admin/tickets/{ticket_id}").json()
    assert seen["messages"][1]["author_email"] == support.email


def test_another_members_ticket_is_not_found(api: Api) -> None:
    ticket_id, other = asked(api.as_("member")), api.as_("member")
    answers = [
        other.get(f"/tickets/{ticket_id}"),
        other.post(f"/tickets/{ticket_id}/messages", {"text": "Hello"}),
        other.post(f"/tickets/{ticket_id}/close"),
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert other.get("/tickets").json() == {"items": [], "next": ""}


def test_lists_of_tickets_go_on_where_they_ended(api: Api, statements: Statements) -> None:
    member = api.as_("member")
    made = {asked(member, subject=f"{i}") for i in range(5)}
    seen, after = [], ""
    while True:
        with statements() as queries:
            page = member.get("/tickets", params={"limit": 2, "after": after}).json()
        assert len([one for one in queries if "tickets" in one]) == 1
        seen += [one["id"] for one in page["items"]]
        if not (after := page["next"]):
            break
    assert len(seen) == 5
    assert set(seen) == made


def test_what_is_no_ticket_is_told_by_field_in_both_languages(api: Api) -> None:
    member = api.as_("member")
    body = {"subject": "a\u2028b", "text": "x"}
    assert fields_of(member.post("/tickets", body)) == {"subject": "must be one line of readable text"}
    chinese = member.post("/tickets", body, headers={"accept-language": "zh"})
    assert fields_of(chinese) == {"subject": "必须是一行可显示的文本"}
    assert "text" in fields_of(member.post("/tickets", {"subject": "a", "text": ""}))


# -- announcements and pages ---------------------------------------------------------------------------------


def test_everybody_reads_what_is_announced_now(api: Api) -> None:
    operator, visitor = api.as_("operator"), api.visitor()
    later = operator.post("/admin/announcements", {"title_en": "Later", "from_ms": now_ms() + 60_000}).json()
    made = operator.post("/admin/announcements", {"title_zh": "维护", "pinned": True}).json()
    shown = [one["id"] for one in visitor.get("/announcements").json()["items"]]
    assert made["id"] in shown
    assert later["id"] not in shown
    assert later["id"] in [one["id"] for one in operator.get("/admin/announcements").json()["items"]]
    changed = operator.put(f"/admin/announcements/{later['id']}", {"title_en": "Now", "from_ms": 1})
    assert changed.status_code == 200, changed.text
    assert later["id"] in [one["id"] for one in visitor.get("/announcements").json()["items"]]
    assert operator.delete(f"/admin/announcements/{made['id']}").status_code == 204
    assert operator.delete(f"/admin/announcements/{made['id']}").status_code == 404
    assert fields_of(operator.post("/admin/announcements", {"from_ms": 1}))["title_en"].startswith("a title")


def test_a_page_is_read_in_the_readers_language_with_its_fields_filled(api: Api) -> None:
    visitor, operator = api.visitor(), api.as_("operator")
    page = visitor.get("/pages/terms", headers={"accept-language": "zh"}).json()
    assert page["language"] == "zh"
    assert "{site}" not in page["text"]
    assert visitor.get("/pages/terms", params={"language": "en"}).json()["language"] == "en"
    assert visitor.get("/pages/passwords").status_code == 422
    assert operator.put("/admin/pages/faq/en", {"text": "# {site} asks"}).json()["updated_ms"]
    name = visitor.get("/site").json()["name"]
    assert visitor.get("/pages/faq", params={"language": "en"}).json()["text"] == f"# {name} asks"
    assert len(operator.get("/admin/pages").json()["items"]) == 2 * len(PAGE_NAMES)
    assert operator.delete("/admin/pages/faq/en").status_code == 204
    assert visitor.get("/pages/faq", params={"language": "en"}).json()["updated_ms"] is None


# -- settings ------------------------------------------------------------------------------------------------


def sent(settings: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What GET answers, as PUT takes it."""
    return {name: settings[name] for name in ("version", "operator", "site")} | more


def test_settings_are_replaced_as_a_whole_and_reach_the_site(api: Api) -> None:
    owner = api.as_("owner")
    before = owner.get("/settings").json()
    body = sent(before, secrets={"mail": "smtp secret", "oidc:works": "works secret"})
    body["site"]["name"] = "Ann's relay"
    body["site"]["topup"]["amounts"] = ["10", "20.5"]
    provider = {"name": "works", "title": "", "issuer": "https://id.example.org", "client_id": "x"}
    body["site"]["sign_in"]["oidc"] = [provider | {"scopes": ["openid"]}]
    answer = owner.put("/settings", body)
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert after["secrets"] == ["mail", "oidc:works"]
    assert after["site"]["topup"]["amounts"] == ["10", "20.5"]
    assert "secret" not in str(after["site"])
    secret = site_secret(api.store, api.relay.box, "mail")
    assert secret is not None
    assert secret.reveal() == "smtp secret"
    assert eventually(lambda: owner.get("/site").json()["name"] == "Ann's relay")
    again = owner.put("/settings", body)
    assert (again.status_code, again.json()["code"]) == (409, "changed_meanwhile")
    gone = owner.put("/settings", sent(after, secrets={"mail": None})).json()
    assert gone["secrets"] == ["oidc:works"]
    with api.store.read() as connection:
        logged = connection.execute(select(audit_log.c.after).where(audit_log.c.actor == owner.account_id))
        assert "smtp secret" not in str(logged.scalars().all())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("operator", "timezone", "Mars/Olympus"), "operator.timezone"),
        (("operator", "default_plan", "nosuch"), "operator.default_plan"),
        (("site", "public_url", "https://a.org/x"), "site.public_url"),
        (("site", "mail", {"host": "a.org"}), "site.mail.port"),
        (("site", "languages", ["fr"]), "site.languages.0"),
    ],
)
def test_a_wrong_setting_is_told_by_its_field(api: Api, change: tuple[str, str, Any], field: str) -> None:
    owner = api.as_("owner")
    body = sent(owner.get("/settings").json())
    kind, name, value = change
    body[kind][name] = value
    assert field in fields_of(owner.put("/settings", body))


@pytest.mark.parametrize(
    "ways_in",
    [
        {"public_url": "https://evil.example.org"},
        {
            "mail": {
                "host": "evil.example.org",
                "port": 25,
                "security": "none",
                "username": "",
                "sender": "a@b.c",
            }
        },
        {"sign_in": {"password": True, "passkeys": False, "github_client_id": "evil", "oidc": []}},
    ],
)
def test_only_an_owner_changes_how_owners_get_in(api: Api, ways_in: dict[str, Any]) -> None:
    """Else who runs the mail server would have an owner's reset link sent to themselves."""
    operator, owner = api.as_("operator"), api.as_("owner")
    body = sent(operator.get("/settings").json())
    body["site"] |= ways_in
    toml = f'[site]\npublic_url = "{ways_in.get("public_url", "https://other.example.org")}"\n'
    script = api.with_token(owner.account_id, "settings:write")  # nor does a script that somebody has stolen
    for who in (operator, script):
        for refused in (who.put("/settings", body), who.post("/configuration", {"toml": toml})):
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    body = sent(operator.get("/settings").json())
    body["site"]["contact_email"] = "help@example.org"
    assert operator.put("/settings", body).status_code == 200  # all else is the operator's


def test_a_secret_that_nothing_uses_is_refused(api: Api) -> None:
    operator = api.as_("operator")
    for secrets in ({"oidc:nobody": "x"}, {"mail": ""}, {"mail": "a\nb"}):
        body = sent(operator.get("/settings").json(), secrets=secrets)
        assert fields_of(operator.put("/settings", body)).keys() == {f"secrets.{name}" for name in secrets}


def test_a_letter_to_oneself_shows_whether_mail_works(api: Api) -> None:
    owner, postbox = api.as_("owner"), Postbox()

    def outcome_with(**mail: Any) -> str:
        body = sent(owner.get("/settings").json())
        body["site"]["mail"] |= mail
        assert owner.put("/settings", body).status_code == 200

        def is_known() -> bool:
            known = api.relay.app.market.catalogue.site.mail
            return {name: getattr(known, name) for name in mail} == mail

        assert eventually(is_known)
        return str(owner.post("/settings/mail-test").json()["outcome"])

    here = {"host": "127.0.0.1", "security": "none", "sender": "relay@example.org"}
    controller = OnFreePort(postbox, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        assert outcome_with(**here, port=controller.port) == "sent"
        assert postbox.mails[0]["To"] == owner.email
        postbox.refusals = ["550 no"]
        assert owner.post("/settings/mail-test").json()["outcome"] == "refused"
        assert outcome_with(**here | {"security": "starttls"}, port=controller.port) == "encryption"
    finally:
        controller.stop()
    assert owner.post("/settings/mail-test").json()["outcome"] == "unreachable"
    assert outcome_with(host="", port=587) == "no_server"


def test_a_logo_is_served_and_goes(api: Api) -> None:
    operator, visitor = api.as_("operator"), api.visitor()
    answer = operator.request("PUT", "/settings/logo", content=PNG)
    assert answer.status_code == 200, answer.text
    path = answer.json()["logo"].removeprefix("/api/v1")
    image = visitor.get(path)
    assert image.content == PNG
    assert image.headers["content-type"] == "image/png"
    assert image.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert "immutable" in image.headers["cache-control"]
    assert eventually(lambda: visitor.get("/site").json()["logo"].endswith(path))
    assert fields_of(operator.request("PUT", "/settings/logo", content=b"<svg/>")) == {
        "image": "must be a PNG, JPEG or WebP image"
    }
    assert operator.request("PUT", "/settings/logo", content=PNG + bytes(300_000)).status_code == 422
    assert operator.delete("/settings/logo").status_code == 204
    assert visitor.get(path).status_code == 404


# -- members and keys ----------------------------------------------------------------------------------------


def test_freezing_a_member_refuses_their_next_calls(api: Api) -> None:
    support, operator = api.as_("support"), api.as_("operator")
    account_id, email = api.account("member")
    key = create_key(api.store, account_id)

    def status() -> int:
        headers = {"authorization": f"Bearer {key.key}"}
        return httpx.get(f"{api.relay.base_url}/models", headers=headers).status_code

    assert status() == 200
    page = operator.get(f"/admin/members/{account_id}").json()
    assert (page["member"]["email"], page["may_change"]) == (email, True)
    assert support.patch(f"/admin/members/{account_id}", {"status": "frozen"}).status_code == 403
    frozen = operator.patch(f"/admin/members/{account_id}", {"status": "frozen"})
    assert frozen.json()["status"] == "frozen"
    assert eventually(lambda: status() == 403)
    assert operator.patch(f"/admin/members/{account_id}", {"status": "active"}).status_code == 200
    assert eventually(lambda: status() == 200)
    (hidden,) = operator.get("/admin/keys", params={"search": key.id}).json()["items"]
    assert key.key not in str(hidden)
    assert operator.patch(f"/admin/keys/{key.id}", {"status": "frozen"}).json()["status"] == "frozen"
    assert eventually(lambda: status() == 403)
    log = operator.get("/audit", params={"actor": operator.account_id}).json()["items"]
    actions = [one["action"] for one in log]
    assert actions == ["key.freeze", "account.unfreeze", "account.freeze"]


def test_a_member_is_noted_and_moved(api: Api) -> None:
    operator = api.as_("operator")
    account_id, _ = api.account("member")
    changed = operator.patch(f"/admin/members/{account_id}", {"plan": "paid", "note": " Pays late "}).json()
    assert (changed["plan"], changed["note"]) == ("paid", "Pays late")
    assert "plan" in fields_of(operator.patch(f"/admin/members/{account_id}", {"plan": "nosuch"}))
    assert operator.patch("/admin/members/acc_none", {"note": "x"}).status_code == 404
    assert operator.get("/admin/members/acc_none").status_code == 404


@pytest.mark.parametrize(
    ("who", "whom", "allowed"),
    [
        ("operator", "member", True),
        ("operator", "support", True),
        ("operator", "operator", False),
        ("operator", "owner", False),
        ("owner", "owner", True),
    ],
)
def test_nobody_freezes_those_above_them(api: Api, who: str, whom: str, allowed: bool) -> None:
    person, (account_id, _) = api.as_(who), api.account(whom)
    answer = person.patch(f"/admin/members/{account_id}", {"note": "x"})
    assert answer.status_code == (200 if allowed else 403)
    key = create_key(api.store, account_id)
    answer = person.patch(f"/admin/keys/{key.id}", {"status": "frozen"})
    assert answer.status_code == (200 if allowed else 403)
    assert person.get(f"/admin/members/{account_id}").json()["may_change"] is allowed


def test_nobody_freezes_themselves(api: Api) -> None:
    owner = api.as_("owner")
    answer = owner.patch(f"/admin/members/{owner.account_id}", {"status": "frozen"})
    assert answer.json()["code"] == "above_you"


def test_members_and_keys_are_searched_page_by_page(api: Api, statements: Statements) -> None:
    operator = api.as_("operator")
    for i in range(3):
        account_id, _ = api.account("member", email=f"search{i}@paging.example")
        create_key(api.store, account_id, name=f"paging{i}")
    for path, search in (("/admin/members", "@paging.example"), ("/admin/keys", "paging")):
        with statements() as queries:
            page = operator.get(path, params={"search": search, "limit": 2}).json()
        assert len([one for one in queries if "LIKE" in one]) == 1
        rest = operator.get(path, params={"search": search, "limit": 2, "after": page["next"]}).json()
        assert len({one["id"] for one in page["items"] + rest["items"]}) == 3
        assert rest["next"] == ""


def test_a_key_is_found_by_its_hash(api: Api) -> None:
    operator = api.as_("operator")
    key = create_key(api.store, api.account("member")[0])
    digest = hashlib.sha256(key.key.encode()).hexdigest()
    (found,) = operator.get("/admin/keys", params={"search": digest}).json()["items"]
    assert found["id"] == key.id


# -- abuse ---------------------------------------------------------------------------------------------------


def test_accounts_at_one_address_are_frozen_at_once(api: Api) -> None:
    operator = api.as_("operator")
    people = [api.account("member")[0] for _ in range(3)]
    with api.store.begin() as connection:
        for account_id in (*people, operator.account_id):
            row = {"address_hash": b"\x17", "account_id": account_id, "key_id": f"key_{account_id}"}
            connection.execute(insert(address_days).values(**row, day=now_ms() // 86_400_000, requests=3))
    found = {one["subject"]: one for one in operator.get("/admin/abuse").json()["items"]}["17"]
    assert (found["signal"], found["size"], found["requests"]) == ("accounts_of_address", 4, 12)
    ids = [one["id"] for one in found["people"]]
    frozen = operator.post("/admin/abuse/freeze", {"account_ids": ids, "reason": "One crowd"})
    assert sorted(frozen.json()["account_ids"]) == sorted(people)  # not the operator
    with api.store.read() as connection:
        query = select(accounts.c.status).where(accounts.c.id.in_(people))
        assert set(connection.execute(query).scalars()) == {"frozen"}
    dismissed = operator.post("/admin/abuse/dismiss", {"signal": "accounts_of_address", "subject": "17"})
    assert dismissed.status_code == 204
    assert "17" not in [one["subject"] for one in operator.get("/admin/abuse").json()["items"]]


def test_the_playgrounds_key_is_frozen_like_any(api: Api) -> None:
    member, operator = api.as_("member"), api.as_("operator")
    key_id = member.post("/playground/key").json()["id"]
    frozen = operator.patch(f"/admin/keys/{key_id}", {"status": "frozen"})
    assert (frozen.status_code, frozen.json()["status"]) == (200, "frozen")
    assert member.post("/playground/key").json()["id"] == key_id
    assert get_key(api.store, key_id).status == "frozen"  # a new one of its pages is no way around
