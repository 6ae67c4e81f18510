"""The wallet, and the operator's orders, codes and transfers."""

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import OpenTab, Site, axe, no_sideways_scroll, shot
from tests.browser.past import give_past

from posthouse.ledger.queries import verify
from posthouse.ledger.transfers import credit, debit
from posthouse.payments.codes import create_batch, redeem
from posthouse.payments.orders import create_order, pay_order
from posthouse.payments.proof import verify as verify_payments

pytestmark = pytest.mark.browser

UNIT = 1_000_000_000


@pytest.fixture(scope="module")
def payer(site: Site) -> str:
    """A member with a past: orders, codes, transfers, calls."""
    account_id, _ = site.account()
    store = site.store
    give_past(site, account_id, calls=120)
    for amount in (20, 50, 10):
        order = create_order(store, account_id, amount * UNIT, min_nanos=UNIT, max_nanos=100 * UNIT)
        if amount != 10:
            pay_order(store, order.id, reference=f"bank {amount}")
    made = create_batch(store, name="autumn", amount_nanos=5 * UNIT, count=20, per_account_max=2)
    redeem(store, account_id, made.codes[0])
    create_batch(store, name="welcome", amount_nanos=UNIT, count=3, kind="promotion")
    credit(store, account_id, UNIT, reason="for the outage of Tuesday", kind="promotion")
    debit(store, account_id, 3 * UNIT, reason="paid back as asked")
    return account_id


@pytest.fixture(scope="module", autouse=True)
def _proved(site: Site) -> object:
    yield
    assert verify(site.store) == []
    assert verify_payments(site.store) == []


def seen(page: Page, name: str) -> None:
    no_sideways_scroll(page)
    shot(page, name, whole=True)


def test_the_wallet_on_a_desk_and_a_phone(open_tab: OpenTab, payer: str) -> None:
    page = open_tab("/wallet", account_id=payer)
    expect(page.get_by_role("cell", name="Refund")).to_be_visible()
    seen(page, "wallet")
    page.get_by_role("tab", name="Orders").click()
    seen(page, "wallet-orders")
    phone = open_tab("/wallet", account_id=payer, language="zh", scheme="dark", phone=True)
    expect(phone.get_by_role("heading", level=1)).to_have_text("钱包")
    seen(phone, "wallet-phone-zh")
    phone.get_by_role("tab", name="月结单").click()
    phone.get_by_role("tabpanel").get_by_role("link").first.click()
    expect(phone.get_by_text("期末余额")).to_be_visible()
    seen(phone, "statement-phone-zh")


def test_from_an_order_to_the_balance(open_tab: OpenTab, site: Site) -> None:
    account_id, email = site.account()
    wallet = open_tab("/wallet", account_id=account_id)
    wallet.get_by_role("button", name="$50", exact=True).click()
    expect(wallet.get_by_role("textbox", name="Amount")).to_have_value("50.00")
    wallet.get_by_role("textbox", name="Amount").fill("0.5")
    wallet.get_by_role("button", name="Place order").click()
    expect(wallet.get_by_text("Between $1.00 and")).to_be_visible()
    wallet.get_by_role("textbox", name="Amount").fill("12.34")
    wallet.get_by_role("textbox", name="Note").fill("by bank")
    wallet.get_by_role("button", name="Place order").click()
    expect(wallet.get_by_text("You have ordered $12.34")).to_be_visible()
    expect(wallet.get_by_text("How to pay, and anything else about payments")).to_be_visible()
    seen(wallet, "wallet-ordered")

    desk = open_tab("/admin/orders", role="operator")
    row = desk.get_by_role("row").filter(has_text=email)
    seen(desk, "orders")
    row.get_by_role("button", name="Mark paid").click()
    dialog = desk.get_by_role("dialog")
    dialog.get_by_role("button", name="Mark paid and credit").click()
    expect(dialog.get_by_text("This is needed.")).to_be_visible()
    dialog.get_by_label("Reference").fill("bank 7")
    dialog.get_by_role("button", name="Mark paid and credit").click()
    expect(row).to_have_count(0)

    wallet.reload()
    expect(wallet.get_by_text("$12.34").first).to_be_visible()
    wallet.get_by_role("tab", name="Orders").click()
    expect(wallet.get_by_text("by bank · bank 7")).to_be_visible()


def test_codes_are_made_redeemed_and_found(open_tab: OpenTab, payer: str) -> None:
    desk = open_tab("/admin/codes", role="operator", scheme="dark")
    seen(desk, "codes-dark")
    desk.get_by_role("button", name="Make codes").click()
    dialog = desk.get_by_role("dialog")
    axe(desk)
    dialog.get_by_label("Name").fill("spring")
    dialog.get_by_label("Each worth").fill("5")
    dialog.get_by_label("How many", exact=False).first.fill("2")
    shot(desk, "codes-make")
    dialog.get_by_role("button", name="Make codes").click()
    codes = desk.get_by_test_id("codes").inner_text().split()
    assert len(codes) == 2
    shot(desk, "codes-made")
    with desk.expect_download() as download:
        dialog.get_by_role("button", name="Save as CSV").click()
    assert codes[1] in download.value.path().read_text("utf-8-sig")
    dialog.get_by_role("button", name="I have kept them").click()

    wallet = open_tab("/wallet", role="member")
    wallet.get_by_label("Code").fill("no code")
    wallet.get_by_role("button", name="Redeem").click()
    expect(wallet.get_by_text("A character is wrong or missing.")).to_be_visible()
    wallet.get_by_label("Code").fill(codes[0].lower())
    wallet.get_by_role("button", name="Redeem").click()
    expect(wallet.get_by_text("$5.00 has been added. Your balance is $5.00, your plan paid.")).to_be_visible()

    desk.get_by_label("Code", exact=True).fill(codes[0])
    desk.get_by_role("button", name="Find").click()
    expect(desk.get_by_role("link", name="@example.org")).to_be_visible()
    seen(desk, "codes-found")
    desk.get_by_role("row").filter(has_text="spring").get_by_role("button", name="Withdraw").click()
    desk.get_by_role("button", name="Withdraw batch").click()
    expect(desk.get_by_role("row").filter(has_text="spring").get_by_text("Withdrawn")).to_be_visible()


def test_an_invoice_and_a_mail_about_a_low_balance(open_tab: OpenTab, site: Site) -> None:
    owner = site.as_("owner")
    settings = owner.get("/settings").json()
    settings["site"]["topup"]["invoice_from_total"] = "20"
    body = {name: settings[name] for name in ("version", "operator", "site")}
    assert owner.put("/settings", body).status_code == 200
    account_id, email = site.account()
    credit(site.store, account_id, 30 * UNIT, reason="cash")

    wallet = open_tab("/wallet", account_id=account_id, language="zh")
    wallet.get_by_role("button", name="修改").click()
    wallet.get_by_label("余额低于此金额时发邮件提醒我").fill("5")
    wallet.get_by_role("button", name="保存").click()
    expect(wallet.get_by_text("$5.00", exact=True)).to_be_visible()
    wallet.get_by_role("tab", name="发票").click()
    wallet.get_by_role("button", name="申请发票").click()
    dialog = wallet.get_by_role("dialog")
    dialog.get_by_role("button", name="提交申请").click()
    expect(dialog.get_by_text("此项必填。")).to_be_visible()
    dialog.get_by_label("发票抬头").fill("示例科技有限公司")
    shot(wallet, "invoice-ask-zh")
    dialog.get_by_role("button", name="提交申请").click()
    expect(wallet.get_by_role("cell", name="处理中")).to_be_visible()

    desk = open_tab("/admin/orders?tab=invoices", role="operator")
    row = desk.get_by_role("row").filter(has_text=email)
    row.get_by_role("button", name="Issue").click()
    expect(desk.get_by_role("dialog").get_by_text("示例科技有限公司")).to_be_visible()
    desk.get_by_label("Invoice number").fill("2026-7")
    shot(desk, "invoice-issue")
    desk.get_by_role("button", name="Mark issued").click()
    expect(row).to_have_count(0)
    wallet.reload()
    wallet.get_by_role("tab", name="发票").click()
    expect(wallet.get_by_role("cell", name="2026-7")).to_be_visible()


def test_transfers_are_listed_and_made(open_tab: OpenTab, site: Site, payer: str) -> None:
    _, email = site.account()
    desk = open_tab("/admin/transfers", role="operator")
    seen(desk, "transfers")
    desk.get_by_role("button", name="Credit or debit").click()
    dialog = desk.get_by_role("dialog")
    dialog.get_by_label("Member").fill(email)
    dialog.get_by_label("Amount").fill("3.21")
    dialog.get_by_label("Reason").fill("cash at the desk")
    shot(desk, "credit")
    dialog.get_by_role("button", name="Add to balance").click()
    expect(desk.get_by_text("Done: the balance is $3.21, the plan paid")).to_be_visible()
    expect(desk.get_by_role("row").filter(has_text="cash at the desk")).to_be_visible()
    phone = open_tab(f"/admin/transfers?account={email}", role="operator", language="zh", phone=True)
    expect(phone.get_by_text("cash at the desk")).to_be_visible()
    seen(phone, "transfers-phone-zh")
