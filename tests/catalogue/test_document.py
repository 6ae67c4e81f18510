"""What an operator's file may say, and what is said against it."""

import pytest
from tests.catalogue.files import compiled, read

from posthouse.catalogue.document import read_document
from posthouse.catalogue.errors import ConfigurationError
from posthouse.catalogue.rules import ChannelDef, LimitDef, ModelDef, OperatorDef, PlanDef, parse_window_ms
from posthouse.kernel.secrets import SecretText

PLAN = '[plans.p]\nkind = "paid"\n'
MODEL = '[models."gpt-4o"]\nlist = "openai/gpt-4o"\n'


def refusal(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        compiled(text)
    return str(caught.value)


def test_amounts_are_kept_as_they_are_written() -> None:
    text = (
        "[operator]\nexchange_rate = 7.10\n[models.m]\nprice = { input = 0.000_1, output = 3, image = '0.1' }"
    )
    made = read(text).definitions
    operator, model = made["operator", "operator"], made["model", "m"]
    assert isinstance(operator, OperatorDef)
    assert isinstance(model, ModelDef)
    assert operator.exchange_rate == "7.10"
    assert model.prices[0].components == {"input": "0.000_1", "output": "3", "image": "0.1"}


def test_a_credential_is_read_from_the_environment_and_is_no_part_of_the_definition() -> None:
    document = read(
        '[channels.main]\nbase_url = "${UPSTREAM_BASE_URL}"\ncredential = "${UPSTREAM_API_KEY}"\n'
    )
    assert document.definitions["channel", "main"] == ChannelDef(
        name="main", base_url="https://upstream.example/v1"
    )
    secret = document.credentials["main", "default"]
    assert isinstance(secret, SecretText)
    assert secret.reveal() == "canary UPSTREAM"
    assert "canary" not in repr(document)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PLAN + 'modles = ["x"]', "operator.toml:3: plans.p: unknown field 'modles'; did you mean 'models'?"),
        (PLAN + "zzz = 1", "operator.toml:3: plans.p: unknown field 'zzz'"),
        ("[plan.p]\nkind = 'paid'", "operator.toml:1: plan: unknown table; did you mean 'plans'?"),
        ("\nplans = 3", "operator.toml:2: plans: must be a table of tables"),
        ("[plans]\np = 3", "operator.toml:2: plans.p: must be a table"),
        ("[plans.p]\nstreaming = true", "operator.toml:1: plans.p: 'kind' is missing"),
        (
            "[plans.p]\nkind = 'payed'",
            "operator.toml:2: plans.p.kind: 'payed' is none of free, paid; did you mean 'paid'?",
        ),
        (
            PLAN + "[[plans.p.limits]]\nrequests = 1\nper = ['key', 'adress']",
            "operator.toml:5: plans.p.limits[0].per[1]: 'adress' is none of key, address, account, plan; "
            "did you mean 'address'?",
        ),
        (
            PLAN + "[[plans.p.limits]]\nrequests = 1\nper = 'plans'",
            "operator.toml:5: plans.p.limits[0].per: 'plans' is none of key, address, account, plan; "
            "did you mean 'plan'?",
        ),
        (
            PLAN + "[[plans.p.limits]]\nrequests = -1",
            "operator.toml:4: plans.p.limits[0].requests: must be at least 0",
        ),
        (
            PLAN + "[[plans.p.limits]]\nrequests = 1\n[[plans.p.limits]]\nwindow = '1 hr'\nrequests = 1",
            "operator.toml:6: plans.p.limits[1].window: "
            "'1 hr' is not a window such as '1 hour', '30 s' or '1 day'",
        ),
        (
            PLAN + "[[plans.p.limits]]\nfamily = 'x'",
            "operator.toml:3: plans.p.limits[0]: a limit needs requests, tokens, spend or concurrency",
        ),
        (
            PLAN + "[[plans.p.limits]]\nspend = -1",
            "operator.toml:4: plans.p.limits[0].spend: must not be negative",
        ),
        (
            PLAN + "multipliers = { 'gpt-4*' = 'x' }",
            "operator.toml:3: plans.p.multipliers.\"gpt-4*\": 'x' is not a ratio",
        ),
        (
            PLAN + "endpoints = ['chat/completion']",
            "operator.toml:3: plans.p.endpoints: 'chat/completion' is no endpoint of the relay; "
            "did you mean 'chat/completions'?",
        ),
        ("[operator]\nexchange_rate = 0", "operator.toml:2: operator.exchange_rate: must be over 0"),
        (
            "[operator]\nkey_prefix = 'a b'",
            "operator.toml:2: operator.key_prefix: has at most 20 letters, digits, - and _",
        ),
        (
            "[operator]\ntimezone = 'Asia/Shanghi'",
            "operator.toml:2: operator.timezone: 'Asia/Shanghi' is no time zone that this machine knows, "
            "such as 'Asia/Shanghai'",
        ),
        (
            "[models.m]\nprice = [\n {input = 1},\n {inptu = 2}]",
            "operator.toml:4: models.m.price[1]: unknown field 'inptu'; did you mean 'input'?",
        ),
        (
            "[models.m]\nprice = {input = 'one'}",
            "operator.toml:2: models.m.price.input: 'one' is not an amount",
        ),
        (
            "[models.m]\nprice = {}",
            "operator.toml:2: models.m.price: a price names at least one component, such as input",
        ),
        (
            "[models.m]\nprice = [{input = 1}, {input = 2}]",
            "operator.toml:2: models.m.price: a component is priced twice in one tier",
        ),
        (
            "[channels.c]\nbase_url = 'https://u/v1'\ncosts.'gpt-4*' = [{input = 1}, {inptu = 2}]",
            "operator.toml:3: channels.c.costs.\"gpt-4*\"[1]: unknown field 'inptu'; did you mean 'input'?",
        ),
        (
            "[channels.c]\nbase_url = 'https://u/v1'\ncosts.'gpt-4*' = {input = '-1'}",
            'operator.toml:3: channels.c.costs."*".input: must not be negative',
        ),
        (
            "[channels.c]\nbase_url = 'https://user:secret@u/v1'",
            "operator.toml:2: channels.c.base_url: has a user in it; give a credential or headers instead",
        ),
        (
            "[channels.c]\nbase_url = 'https://${NOT_SET}/v1'",
            "operator.toml:2: channels.c.base_url: the environment variable NOT_SET is not set",
        ),
        (
            "[channels.c]\nbase_url = 'upstream'",
            "operator.toml:2: channels.c.base_url: needs a URL such as http://host:port/path; "
            "it begins with http, https",
        ),
        (
            "[channels.c]\nbase_url = 'http://u'\nproxy = 'socks4://p'",
            "operator.toml:3: channels.c.proxy: needs a URL such as http://host:port/path; "
            "it begins with http, socks5, socks5h",
        ),
        (
            "[channels.c]\nbase_url = 'http://u'\ncost_multiplier = 'abc'",
            "operator.toml:3: channels.c.cost_multiplier: 'abc' is not a ratio",
        ),
        (
            "[channels.c]\nbase_url = 'http://u'\ncost_multiplier = -1",
            "operator.toml:3: channels.c.cost_multiplier: '-1' is negative",
        ),
        (
            "[channels.c]\nbase_url = 'http://u'\ncredential = \"a\\nb\"",
            "operator.toml:3: channels.c.credential: must be printable ASCII text",
        ),
        (
            "[operator]\ntopup_plan = 'paied'\n" + PLAN.replace(".p", ".paid"),
            "operator.toml:2: operator.topup_plan: there is no plan 'paied'; did you mean 'paid'?",
        ),
        (
            MODEL + "family = 'smal'\n[families.small]",
            "operator.toml:3: models.gpt-4o.family: there is no family 'smal'; did you mean 'small'?",
        ),
        (
            '[models.m]\nlist = "openai/gpt-4o-mni"',
            "operator.toml:2: models.m.list: there is no list price 'openai/gpt-4o-mni'; "
            "did you mean 'openai/gpt-4o-mini'?",
        ),
        (
            '[models.gpt-4q]\nlist = "openai/*"',
            "operator.toml:2: models.gpt-4q.list: there is no list price 'openai/gpt-4q'; "
            "did you mean 'openai/gpt-4'?",
        ),
        (
            '[models."*"]\nlist = "opnai/*"',
            'operator.toml:2: models."*".list: '
            "there is no list of provider 'opnai'; did you mean 'openai'?",
        ),
        (
            '[models."gpt-*"]\nprice = {input = 1}',
            'operator.toml:1: models."gpt-*".list: '
            "a pattern takes its models from a list, such as 'openai/*'",
        ),
        (
            '[models."gpt-*"]\nlist = "openai/*"\naliases = ["x"]',
            'operator.toml:3: models."gpt-*".aliases: only one model can have other names, not a pattern',
        ),
        (
            MODEL + "price = {input = 1}",
            "operator.toml:3: models.gpt-4o.price: has a list price too; keep one of them",
        ),
        (
            MODEL + "aliases = ['b', 'gpt-4o']",
            "operator.toml:3: models.gpt-4o.aliases[1]: 'gpt-4o' names another model too",
        ),
        (
            MODEL + PLAN + "models = ['*', '!gpt-4']",
            "operator.toml:5: plans.p.models[1]: there is no model 'gpt-4'; did you mean 'gpt-4o'?",
        ),
        (
            MODEL + PLAN + "models = ['family:small']",
            "operator.toml:5: plans.p.models[0]: there is no family 'small'",
        ),
        (
            PLAN + "[[plans.p.limits]]\nfamily = 'x'\nrequests = 1",
            "operator.toml:4: plans.p.limits[0].family: there is no family 'x'",
        ),
        (
            PLAN + "[[plans.p.limits]]\nrequests = 1\n[[plans.p.limits]]\ntokens = 1\nwindow = '60 minutes'",
            "operator.toml:5: plans.p.limits[1]: these families have a limit over this window already; "
            "put both into one",
        ),
        ("a = 1\nb = [", "operator.toml:2: not TOML: no value; text stands in quotes"),
        ("a = 1\nb = nothing\n", "operator.toml:2: not TOML: no value; text stands in quotes"),
    ],
)
def test_each_mistake_is_named_with_its_line_and_what_may_be_meant(text: str, message: str) -> None:
    assert refusal(text) == message


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = "[operator]\nexchange_rate = 0\n[plans.p]\nkind = 'x'\n[families.f]\nkidn = 'other'\n"
    assert [line.split(":")[1] for line in refusal(text).splitlines()] == ["2", "4", "6"]


def test_all_unknown_fields_of_a_definition_are_told_with_what_else_is_wrong_first() -> None:
    limits = "[[plans.p.limits]]\nrequest = 1\nwindwo = '1 h'\n[[plans.p.limits]]\ntokens = 1\nxyz = {}\n"
    text = (
        "[plans.p]\nkind = 'payed'\nmodles = []\n"
        + limits
        + "[models.m]\nprice = [{input = 1}, {inptu = 1}]\nnear = 1"
    )
    assert refusal(text).splitlines() == [
        "operator.toml:2: plans.p.kind: 'payed' is none of free, paid; did you mean 'paid'?",
        "operator.toml:3: plans.p: unknown field 'modles'; did you mean 'models'?",
        "operator.toml:5: plans.p.limits[0]: unknown field 'request'; did you mean 'requests'?",
        "operator.toml:6: plans.p.limits[0]: unknown field 'windwo'; did you mean 'window'?",
        "operator.toml:9: plans.p.limits[1]: unknown field 'xyz'",
        "operator.toml:11: models.m.price[1]: unknown field 'inptu'; did you mean 'input'?",
        "operator.toml:12: models.m: unknown field 'near'",
    ]


def test_a_missing_variable_is_no_empty_credential() -> None:
    with pytest.raises(ConfigurationError, match="KEY is not set"):
        read_document(
            "[channels.c]\ncredential = '${KEY}'\nbase_url = 'http://u'", source="f", environment={}
        )


@pytest.mark.parametrize(
    ("text", "window_ms"),
    [
        ("1 hour", 3_600_000),
        ("60 minutes", 3_600_000),
        ("30s", 30_000),
        ("5 m", 300_000),
        ("1 Day", 86_400_000),
    ],
)
def test_windows_are_written_in_words(text: str, window_ms: int) -> None:
    assert parse_window_ms(text) == window_ms


@pytest.mark.parametrize("text", ["", "hour", "0 hours", "32 days", "1.5 hours", "-1 day", "1 week"])
def test_what_is_no_window(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse_window_ms(text)


def test_one_family_and_one_subject_need_no_list() -> None:
    limit = LimitDef(family="small", per="account", tokens=1)
    assert (limit.families, limit.subjects) == (("small",), ("account",))
    assert PlanDef(kind="paid").limits == ()
