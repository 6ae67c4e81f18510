"""What a deleted account leaves: its books, and nothing that tells whose they were."""

from tests.api.conftest import Api

from posthouse.kernel.clock import now_ms
from posthouse.people import one_time
from posthouse.store.schema import metadata

# As long as the books: what was ordered and invoiced, and what both sides said of it.
KEPT = {"invoices", "orders", "ticket_messages", "tickets"}


def test_nothing_is_left_that_tells_who_it_was(api: Api) -> None:
    account_id, email = api.account(email="wilhelmina@example.org")
    member, operator = api.signed_in(account_id, email), api.as_("operator")
    assert member.patch("/profile", {"name": "Wilhelmina"}).is_success
    assert operator.patch(f"/admin/members/{account_id}", {"note": "Ask for Wilhelmina"}).is_success
    order = member.post("/wallet/orders", {"amount": "5", "note": "From Wilhelmina"}).json()["id"]
    assert operator.post(f"/orders/{order}/pay", {"reference": "4711"}).is_success
    moved = "wilhelmina2@example.org"
    with api.store.begin() as connection:
        token = one_time.issue(
            connection,
            "email",
            subject=moved,
            data={"account_id": account_id},
            now_ms=now_ms(),
            lives_ms=86_400_000,
        )
    assert member.post("/profile/email/confirm", {"token": token}).json() == {"email": moved}
    assert member.post("/profile/deletion", {"email": moved}).status_code == 204
    with api.store.read() as connection:
        told = [
            f"{table.name}: {row}"
            for table in metadata.sorted_tables
            if table.name not in KEPT
            for row in connection.execute(table.select())
            if "wilhelmina" in str(row).lower()
        ]
    assert told == []
