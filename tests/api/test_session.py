"""Signing in with a password, sessions, and looking at a member's pages."""

from tests.api.conftest import PASSWORD, Api


def test_nobody_is_signed_in(api: Api) -> None:
    answer = api.visitor().get("/session")
    assert answer.status_code == 200
    assert answer.json()["account_id"] == ""


def test_a_password_signs_in(api: Api) -> None:
    _, email = api.account(password=PASSWORD)
    visitor = api.visitor()
    answer = visitor.post("/session", {"email": email.upper(), "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    assert visitor.get("/session").json()["email"] == email
