"""What a deleted account leaves: its books, and nothing that tells whose they were."""

from sqlalchemy import select
from tests.api.conftest import Api

from posthouse.kernel.clock import now_ms
from posthouse.people import one_time
from posthouse.store.schema import metadata
from posthouse.store.schema_payments import invoices, orders


def invoice_of(account_id: str, status: str) -> dict[str, object]:
    at_ms = now_ms()
    who = {
        "title": "Wilhelmina",
        "tax_number": "",
        "email": "wilhelmina@example.org",
        "details": "Wilhelmina",
    }
    closed = {"number": "7", "reason": "", "created_ms": at_ms, "closed_ms": at_ms, "closed_by": "cli"}
    row = {"id": f"inv_{status}", "account_id": account_id, "amount_nanos": 5, "status": status}
    return {**row, **who, **closed}


def test_nothing_is_left_that_tells_who_it_was(api: Api) -> None:
    account_id, email = api.account(email="wilhelmina@example.org")
    member, operator = api.signed_in(account_id, email), api.as_("operator")
    assert member.patch("/profile", {"name": "Wilhelmina"}).is_success
    assert operator.patch(f"/admin/members/{account_id}", {"note": "Ask for Wilhelmina"}).is_success
    order = member.post("/wallet/orders", {"amount": "5", "note": "From Wilhelmina"}).json()["id"]
    assert operator.post(f"/orders/{order}/pay", {"reference": "4711"}).is_success
    ticket = member.post("/tickets", {"subject": "Wilhelmina asks", "text": "Who is Wilhelmina?"}).json()[
        "id"
    ]
    assert operator.post(f"/admin/tickets/{ticket}/messages", {"text": "Dear Wilhelmina"}).is_success
    with api.store.begin() as connection:
        for status in ("issued", "declined"):
            connection.execute(invoices.insert().values(invoice_of(account_id, status)))
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
            for row in connection.execute(table.select())
            if "wilhelmina" in str(row).lower()
        ]
        of_member = select(invoices).where(invoices.c.account_id == account_id)
        issued = str(connection.execute(of_member.where(invoices.c.status == "issued")).one())
        amounts = select(orders.c.amount_nanos, orders.c.reference).where(orders.c.id == order)
        assert connection.execute(amounts).one() == (5_000_000_000, "4711")
    assert told == [f"invoices: {issued}"]
