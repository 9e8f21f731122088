"""The tables of the simulated company: schema ``company``, the contract between the simulation and its exports.

Belongs here: names, types and meaning of the columns, and how numbers become text, money and time on their way from
numpy into a table. Does not belong here: what the company does.

Times are UTC, money is DECIMAL(18,2) in the row's own currency, and NULL stands where there is nothing. A row that
names a record does so by ``(system, source_customer_no)``; ``person_no`` beside it is the truth.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

__all__ = ["create_tables", "moment", "money", "relation"]

_TABLES = """
create table company.people (
    person_no bigint, is_account boolean, name varchar, first_name varchar, last_name varchar, company_name varchar,
    email varchar, phone varchar, wechat_id varchar, qq varchar, gender varchar, birth_date date,
    country varchar, province varchar, city varchar, industry varchar, acquisition_channel varchar, currency varchar,
    -- The system that this person's own record stands in.
    home varchar,
    created_at timestamp, rep_no bigint, membership_level varchar, email_opt_in boolean, phone_opt_in boolean,
    -- How this person buys: random, annual, weekly or contract; per day while alive; leaving after each purchase.
    timing varchar, lambda_day double, p double,
    -- What an order of this person is worth on average, in this person's currency.
    mean_spend double,
    -- The purchase (for contracts: the cancellation) after which the person was gone; NULL: alive at the end.
    dropped_at timestamp,
    last_purchase_at timestamp
);
create table company.records (
    system varchar, source_customer_no bigint, person_no bigint, merged_into_no bigint,
    -- home, second (the person in another system) or duplicate (the person again in the same system).
    role varchar,
    -- What joins this record to the person's others: email, phone, both; NULL: nothing does, only the truth knows.
    linked_by varchar,
    name varchar, first_name varchar, last_name varchar, company_name varchar,
    email varchar, phone varchar, wechat_id varchar, qq varchar, gender varchar, birth_date date,
    country varchar, province varchar, city varchar, industry varchar, acquisition_channel varchar,
    membership_level varchar, rep_no bigint, created_at timestamp, updated_at timestamp,
    is_active boolean, is_deleted boolean
);
-- Values that different people share: hotline, family_email, household_phone. Joining by these is wrong.
create table company.shared_contacts (
    kind varchar, value varchar, system varchar, source_customer_no bigint, person_no bigint
);
create table company.products (
    product_no bigint, sku varchar, name_zh varchar, name_en varchar, category_zh varchar, category_en varchar,
    list_price decimal(18, 2), unit_cost decimal(18, 2)
);
create table company.orders (
    order_no bigint, system varchar,
    -- NULL: a guest. person_no is the true buyer all the same.
    source_customer_no bigint, person_no bigint, ordered_at timestamp, kind varchar, original_order_no bigint,
    status varchar, channel varchar, currency varchar,
    gross_amount decimal(18, 2), discount_amount decimal(18, 2), tax_amount decimal(18, 2),
    shipping_amount decimal(18, 2), net_amount decimal(18, 2), cost_amount decimal(18, 2),
    campaign_no bigint, rep_no bigint
);
create table company.order_lines (
    order_no bigint, line_no bigint, product_no bigint, quantity integer, unit_price decimal(18, 2),
    discount_amount decimal(18, 2), net_amount decimal(18, 2)
);
create table company.payments (
    payment_no bigint, order_no bigint, system varchar, source_customer_no bigint, paid_at timestamp, method varchar,
    amount decimal(18, 2), currency varchar
);
create table company.tickets (
    ticket_no bigint, system varchar, source_customer_no bigint, person_no bigint, kind varchar, topic varchar,
    priority varchar, status varchar, opened_at timestamp, first_response_at timestamp, closed_at timestamp,
    csat integer
);
create table company.surveys (
    response_no bigint, source_customer_no bigint, system varchar, person_no bigint, survey varchar, score integer,
    scale_max integer, responded_at timestamp
);
create table company.interactions (
    interaction_no bigint, system varchar, source_customer_no bigint, person_no bigint, occurred_at timestamp,
    channel varchar, direction varchar, duration_s integer, rep_no bigint
);
create table company.campaigns (
    campaign_no bigint, name varchar, kind varchar, started_on date, ended_on date, budget decimal(18, 2),
    actual_cost decimal(18, 2), currency varchar
);
create table company.touches (
    touch_no bigint, campaign_no bigint, system varchar, source_customer_no bigint, person_no bigint,
    touched_at timestamp, channel varchar, status varchar, cost_amount decimal(18, 2)
);
create table company.arms (
    campaign_no bigint, person_no bigint, arm varchar,
    -- Bought in the campaign's window: untouched (would_return) and as it went (returned).
    would_return boolean, returned boolean,
    -- Gone for good when the campaign began.
    would_churn boolean
);
create table company.consents (
    system varchar, source_customer_no bigint, person_no bigint, channel varchar, purpose varchar, "at" timestamp,
    state varchar
);
create table company.points (
    entry_no bigint, system varchar, source_customer_no bigint, person_no bigint, "at" timestamp, delta integer,
    reason varchar, expires_at timestamp
);
create table company.referrals (
    referral_no bigint, system varchar, referrer_no bigint, referred_no bigint, "at" timestamp, status varchar
);
create table company.subscriptions (
    contract_no bigint, system varchar, source_customer_no bigint, person_no bigint, started_on date, ends_on date,
    renewal_due_on date, mrr decimal(18, 2), currency varchar, status varchar, cancelled_on date,
    cancel_reason varchar
);
create table company.reps (rep_no bigint, name varchar, email varchar, role varchar, is_active boolean);
create table company.fx_rates (currency varchar, valid_on date, rate decimal(18, 6));
"""


def create_tables(con: "duckdb.DuckDBPyConnection") -> None:
    """Create the schema and its empty tables, in place of an earlier simulation."""
    con.execute("drop schema if exists company cascade")
    con.execute("create schema company")
    con.execute(_TABLES)


@contextmanager
def relation(con: "duckdb.DuckDBPyConnection", name: str, columns: "dict[str, NDArray[Any]]") -> Iterator[None]:
    """Let SQL read numpy columns of equal length as a relation of this name, without a copy, for a while."""
    con.register(name, columns)
    try:
        yield
    finally:
        con.unregister(name)


def money(cents: str) -> str:
    """SQL for an integer number of hundredths as money, exactly."""
    return f"cast(cast({cents} as decimal(16, 0)) * cast(0.01 as decimal(2, 2)) as decimal(18, 2))"


def moment(seconds: str) -> str:
    """SQL for seconds since 1970 in UTC as a timestamp; a negative number is no time at all."""
    return f"case when {seconds} >= 0 then make_timestamp(cast({seconds} as bigint) * 1000000) end"
