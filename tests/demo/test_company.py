"""The simulated company: sums and keys that hold, what was planted is there, and the truth can be found again."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import duckdb
import numpy as np
import phonenumbers
import pytest

from demo.buying import Season, awake_hours, seasonal_index
from demo.company import Parameters, simulate
from models import GammaGamma, ModifiedBetaGeoNBD

CUSTOMERS = 20_000
#: Tables whose rows name a record, and the time at which they do.
NAMING = {
    "orders": "ordered_at",
    "payments": "paid_at",
    "tickets": "opened_at",
    "surveys": "responded_at",
    "interactions": "occurred_at",
    "touches": "touched_at",
    "consents": '"at"',
    "points": '"at"',
    "subscriptions": "started_on + interval 1 day",
}
#: Sales that came about: orders without refunds and attempts.
PURCHASES = """
    create temp view purchases as
    select * from company.orders where kind = 'sale' and status in ('completed', 'paid', 'shipped')
"""


@dataclass(frozen=True)
class Company:
    con: duckdb.DuckDBPyConnection
    parameters: Parameters

    def one(self, query: str) -> Any:
        """The only value of the only row."""
        ((value,),) = self.con.execute(query).fetchall()
        return value

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return list(self.con.execute(query).fetchall())

    def arrays(self, query: str) -> dict[str, Any]:
        return {name: np.asarray(values) for name, values in self.con.execute(query).fetchnumpy().items()}


def simulated(customers: int, seed: int) -> Company:
    con = duckdb.connect()
    parameters = simulate(con, customers=customers, seed=seed)
    con.execute(PURCHASES)
    return Company(con, parameters)


def fingerprint(company: Company) -> dict[str, str]:
    """Every table, its rows in the order in which they stand."""
    tables = company.rows("select table_name from information_schema.tables where table_schema = 'company' order by 1")
    query = "select md5(string_agg(t::varchar, chr(10) order by rowid)) from company.{0} as t"
    return {table: company.one(query.format(table)) for (table,) in tables}


@pytest.fixture(scope="module")
def company() -> Iterator[Company]:
    made = simulated(CUSTOMERS, seed=1)
    yield made
    made.con.close()


def test_every_numbered_thing_has_one_number_and_none_is_missing(company: Company) -> None:
    dense = {
        "people": "person_no",
        "products": "product_no",
        "orders": "order_no",
        "tickets": "ticket_no",
        "surveys": "response_no",
        "interactions": "interaction_no",
        "campaigns": "campaign_no",
        "touches": "touch_no",
        "points": "entry_no",
        "referrals": "referral_no",
        "subscriptions": "contract_no",
        "reps": "rep_no",
    }
    for table, key in dense.items():
        count, low, high, distinct = company.rows(
            f"select count(*), min({key}), max({key}), count(distinct {key}) from company.{table}"
        )[0]
        assert (low, high, distinct) == (1, count, count), table


def test_record_numbers_count_from_one_in_each_system_in_the_order_of_creation(company: Company) -> None:
    systems = company.rows("""
        select system, count(*) = max(source_customer_no) and min(source_customer_no) = 1
            and count(distinct source_customer_no) = count(*)
        from company.records group by system
    """)
    assert len(systems) == 8
    assert all(dense for _, dense in systems)
    assert not company.one("""
        select count(*) from (
            select created_at < lag(created_at) over (partition by system order by source_customer_no) as falls
            from company.records
        ) where falls
    """)


def test_amounts_of_orders_are_those_of_their_lines(company: Company) -> None:
    assert not company.one("""
        select count(*) from company.order_lines where quantity * unit_price - discount_amount <> net_amount
    """)
    assert not company.one("""
        with documents as (
            select order_no, sum(net_amount) as net, sum(discount_amount) as discount, max(line_no) = count(*) as dense
            from company.order_lines
            group by order_no
        )

        select count(*)
        from company.orders as o
        full join documents as d on o.order_no = d.order_no
        where o.net_amount is distinct from d.net or o.discount_amount is distinct from d.discount or not d.dense
            or o.gross_amount <> o.net_amount + o.tax_amount + o.shipping_amount
    """)
    assert not company.one("select count(*) from company.orders where (net_amount > 0) = (kind = 'refund')")
    assert not company.one("select count(*) from company.orders where system = 'yonyou' and tax_amount <> 0")


def test_a_refund_takes_back_a_sale_or_its_first_line(company: Company) -> None:
    refunds = company.arrays("""
        select
            r.net_amount = -s.net_amount as whole,
            r.net_amount = -l.net_amount as first_line,
            s.kind = 'sale' and s.status in ('completed', 'paid', 'shipped') and r.status = 'completed'
            and r.system = s.system and r.person_no = s.person_no
            and r.source_customer_no is not distinct from s.source_customer_no
            and r.ordered_at between s.ordered_at + interval 3 day and s.ordered_at + interval 30 day as follows
        from company.orders as r
        left join company.orders as s on r.original_order_no = s.order_no
        left join company.order_lines as l on s.order_no = l.order_no and l.line_no = 1
        where r.kind = 'refund'
    """)
    assert refunds["follows"].all()
    assert (refunds["whole"] | refunds["first_line"]).all()
    assert not refunds["whole"].all()
    sales = company.one("select count(*) from purchases")
    # A little less than planned: refunds that would fall behind the last day are not made.
    assert 0.035 < refunds["whole"].size / sales < 0.041
    assert not company.one("select count(*) from company.orders where (original_order_no is null) <> (kind = 'sale')")


@pytest.mark.parametrize("table", NAMING)
def test_documents_name_records_that_existed(company: Company, table: str) -> None:
    assert not company.one(f"""
        select count(*)
        from company.{table} as d
        left join company.records as r on d.system = r.system and d.source_customer_no = r.source_customer_no
        where d.source_customer_no is not null and (r.person_no is null or r.created_at > d.{NAMING[table]})
    """)


@pytest.mark.parametrize("table", sorted(set(NAMING) - {"payments"}))
def test_documents_name_records_of_the_person_they_are_about(company: Company, table: str) -> None:
    assert not company.one(f"""
        select count(*)
        from company.{table} as d
        inner join company.records as r on d.system = r.system and d.source_customer_no = r.source_customer_no
        where d.person_no <> r.person_no
    """)


def test_nothing_happens_after_the_last_day(company: Company) -> None:
    # Midnight in China at the end of the year.
    for table, at in {**NAMING, "records": "greatest(created_at, updated_at)"}.items():
        if table != "subscriptions":
            assert company.one(f"select max({at}) <= timestamp '2025-12-31 16:00:00' from company.{table}"), table
    assert company.one("select max(ordered_at) from company.orders").date() == date(2025, 12, 31)


def test_everybody_stands_once_in_the_own_system(company: Company) -> None:
    homes = company.rows("""
        select p.home, count(*), count(r.person_no), count(distinct p.person_no)
        from company.people as p
        left join company.records as r on p.person_no = r.person_no and p.home = r.system and r.role = 'home'
        group by p.home
    """)
    assert all(people == found == distinct for _, people, found, distinct in homes)
    counts = {home: people for home, people, _, _ in homes}
    # 2 % accounts (400, a quarter of them abroad and a sixth in India), then the shares of the persons' systems.
    assert counts["kingdee"] + counts["salesforce"] == 400 - 66
    assert counts["salesforce"] == 100
    assert counts["yonyou"] == 5_000
    assert counts["zoho"] == 1_000
    assert counts["hubspot"] == 1_600
    assert company.one("select count(*) from company.people where is_account") == 400


def test_phone_numbers_are_valid_and_mailboxes_of_one_web_shop_differ(company: Company) -> None:
    for country in ("CN", "US", "IN"):
        phones = company.rows(f"select phone from company.people where country = '{country}' order by phone limit 400")
        assert all(phonenumbers.is_valid_number(phonenumbers.parse(phone)) for (phone,) in phones)
    assert company.one("select count(phone) = count(distinct phone) from company.people")
    assert company.one("""
        select count(email) = count(distinct email) and count(email) = count(*)
        from company.records where system in ('shopify')
    """)


def test_people_share_a_phone_or_an_email_only_where_it_was_planted(company: Company) -> None:
    for column, kinds in (("phone", "('hotline', 'household_phone')"), ("email", "('family_email')")):
        shared = company.rows(f"""
            select {column} from company.records
            group by {column} having {column} is not null and count(distinct person_no) > 1 order by 1
        """)
        planted = f"select distinct value from company.shared_contacts where kind in {kinds} order by 1"
        assert shared == company.rows(planted)


def test_shared_contacts_are_counted(company: Company) -> None:
    counts = dict(company.rows("select kind, count(*) from company.shared_contacts group by kind"))
    assert counts == {"hotline": 500, "family_email": 2, "household_phone": 2 * 40}
    found = company.parameters
    assert (found.hotline_records, found.family_emails, found.household_pairs) == (500, 1, 40)
    assert company.rows("""
        select count(*), count(distinct r.person_no), count(distinct r.email), count(distinct r.system)
        from company.records as r
        inner join company.shared_contacts as s on s.kind = 'hotline' and r.phone = s.value
        group by s.source_customer_no having s.source_customer_no = (
            select min(source_customer_no) from company.shared_contacts where kind = 'hotline'
        )
    """) == [(500, 500, 500, 1)]


def test_what_joins_a_record_is_what_it_says(company: Company) -> None:
    assert not company.one("""
        with compared as (
            select
                r.linked_by,
                coalesce(bool_or(r.email = o.email), false) as by_email,
                coalesce(bool_or(r.phone = o.phone), false) as by_phone
            from company.records as r
            inner join company.records as o
                on r.person_no = o.person_no
                and (o.role = 'home' or r.role = 'duplicate' and o.role = 'second' and r.system = o.system)
            where r.role <> 'home'
            group by r.system, r.source_customer_no, r.linked_by
        )

        select count(*) from compared
        where by_email <> (coalesce(linked_by, '') in ('email', 'both'))
            or by_phone <> (coalesce(linked_by, '') in ('phone', 'both'))
    """)
    unlinked, seconds = company.rows("""
        select count(*) filter (where linked_by is null), count(*) from company.records where role = 'second'
    """)[0]
    assert (unlinked, seconds) == (company.parameters.unlinked_records, company.parameters.second_records)
    assert unlinked / seconds == pytest.approx(0.02, abs=0.005)


def test_duplicates_are_counted_and_merged_where_systems_merge(company: Company) -> None:
    duplicates, merged, records = company.rows("""
        select count(*) filter (where role = 'duplicate'), count(merged_into_no), count(*) from company.records
    """)[0]
    found = company.parameters
    assert (duplicates, merged) == (found.duplicate_records, found.merged_records)
    assert duplicates / records == pytest.approx(0.03, abs=0.005)
    assert merged > 0
    assert not company.one("""
        select count(*)
        from company.records as d
        left join company.records as s on d.system = s.system and d.merged_into_no = s.source_customer_no
        where d.is_deleted <> (d.merged_into_no is not null)
            or d.merged_into_no is not null and (
                d.role <> 'duplicate' or s.person_no is distinct from d.person_no or s.is_deleted
                or d.system not in ('hubspot', 'salesforce', 'zoho')
            )
    """)
    assert company.one("""
        select count(*) from company.orders as o inner join company.records as r
            on o.system = r.system and o.source_customer_no = r.source_customer_no where r.is_deleted
    """)


def test_guests_buy_in_the_web_shop_and_some_register_later(company: Company) -> None:
    assert company.rows("select distinct system from company.orders where source_customer_no is null") == [("shopify",)]
    share = company.one("""
        select avg((source_customer_no is null)::integer) from company.orders as o
        inner join company.people as p on o.person_no = p.person_no
        where o.system = 'shopify' and p.timing <> 'contract'
    """)
    # Somewhat below 6 % of the web shop's purchases are guests': what trials bring is bought with an account.
    assert share == pytest.approx(0.06, abs=0.006)
    late = company.rows("""
        select o.source_customer_no is null
        from company.records as r
        inner join company.orders as o on r.person_no = o.person_no and o.ordered_at < r.created_at
        where r.role = 'home'
    """)
    assert len(late) > 100
    assert all(guest for (guest,) in late)


def test_the_same_seed_gives_the_same_company_and_another_seed_another() -> None:
    first, again, other = simulated(300, seed=7), simulated(300, seed=7), simulated(300, seed=8)
    assert asdict(first.parameters) == asdict(again.parameters)
    assert fingerprint(first) == fingerprint(again)
    same = {table for table, mark in fingerprint(other).items() if mark == fingerprint(first)[table]}
    assert same == {"products"}


@pytest.mark.parametrize("customers", [1, 2, 5, 19, 20, 25, 60])
def test_small_companies_are_legal(customers: int) -> None:
    small = simulated(customers, seed=3)
    assert small.one("select count(*) from company.people") == customers
    assert small.one("select count(distinct person_no) from purchases") == customers
    assert small.one("select count(*) from company.people where is_account") == (1 if customers >= 20 else 0)


@pytest.mark.parametrize(
    ("customers", "seed", "message"), [(0, 1, "customers must be between"), (10, -1, "seed must not be negative")]
)
def test_numbers_out_of_range_are_refused(customers: int, seed: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate(duckdb.connect(), customers=customers, seed=seed)


def test_nobody_buys_after_leaving(company: Company) -> None:
    assert not company.one("""
        with lasts as (
            select person_no, max(ordered_at) as last_at from purchases group by person_no
        )

        select count(*)
        from company.people as p
        left join lasts as l on p.person_no = l.person_no
        where p.last_purchase_at is distinct from l.last_at
            or p.timing <> 'contract' and p.dropped_at is not null and p.dropped_at <> l.last_at
            or p.timing = 'contract' and p.dropped_at <= l.last_at
    """)


def test_the_models_find_the_parameters_that_the_random_buyers_were_made_with(company: Company) -> None:
    states = company.arrays("""
        select
            o.person_no,
            (epoch(o.ordered_at) - epoch(timestamp '2022-12-31 16:00:00')) / 86400 as day,
            o.net_amount::double / case o.currency when 'USD' then 0.15 when 'INR' then 12 else 1 end
                / case when p.is_account then 15 else 1 end as value
        from purchases as o
        inner join company.people as p on o.person_no = p.person_no
        left join company.campaigns as c on o.campaign_no = c.campaign_no
        where p.timing = 'random' and c.kind is distinct from 'win_back'
        order by o.person_no, day
    """)
    # Busy days are longer on the season's clock: there, the buyers are homogeneous.
    index = seasonal_index(date(2023, 1, 1), 1096)
    clock = np.concatenate([[0.0], np.cumsum(index)])
    when = np.interp(states["day"], np.arange(clock.size), clock)
    _, first, count = np.unique(states["person_no"], return_index=True, return_counts=True)
    last = first + count - 1
    model = ModifiedBetaGeoNBD().fit(count - 1, when[last] - when[first], clock[-1] - when[first])
    truth = company.parameters
    assert model.params_ == pytest.approx({"r": truth.r, "alpha": truth.alpha, "a": truth.a, "b": truth.b}, rel=0.1)

    repeats = count - 1
    total = np.add.reduceat(states["value"], first) - states["value"][first]
    spend = GammaGamma().fit(repeats, np.divide(total, repeats, out=np.zeros(total.size), where=repeats > 0))
    planted = {"p": truth.spend_p, "q": truth.spend_q, "v": truth.spend_v}
    assert spend.params_ == pytest.approx(planted, rel=0.1)


def test_annual_and_weekly_buyers_keep_their_rhythm(company: Company) -> None:
    gaps = dict(
        company.rows("""
            with gaps as (
                select p.timing, date_diff('minute', lag(o.ordered_at) over (
                    partition by o.person_no order by o.ordered_at), o.ordered_at) / 1440 as gap
                from purchases as o inner join company.people as p on o.person_no = p.person_no
                where p.timing <> 'random'
            )

            select timing, [min(gap), max(gap)] from gaps where gap is not null group by timing
        """)
    )
    for timing, (period, stray) in {"annual": (365.25, 15), "weekly": (7, 3), "contract": (91.3, 1)}.items():
        low, high = gaps[timing]
        assert period - stray <= low <= high <= period + stray, timing


def test_singles_day_and_spring_are_busy(company: Company) -> None:
    days = company.arrays("""
        select (ordered_at + interval 8 hour)::date as day, count(*) as n
        from purchases where year(ordered_at) = 2025 group by 1
    """)
    month_day = days["day"].astype("datetime64[D]").astype(str)
    usual = np.median(days["n"])
    busy = days["n"][(month_day >= "2025-11-01") & (month_day <= "2025-11-12")].mean()
    lull = days["n"][(month_day >= "2025-01-31") & (month_day <= "2025-02-08")].mean()
    assert busy > 2 * usual
    assert lull < 0.7 * usual


def test_a_season_ends_where_the_calendar_does_and_can_be_read_backwards() -> None:
    season = Season.of(np.array([0.5, 2.0, 0.5]))
    days = np.array([0.0, 0.5, 1.0, 1.25, 2.0, 3.0])
    assert season.elapsed(days).tolist() == [0.0, 0.25, 0.5, 1.0, 2.5, 3.0]
    assert season.day(season.elapsed(days)).tolist() == days.tolist()
    assert season.day(np.array([99.0])).tolist() == [3.0]


def test_quiet_hours_keep_the_day_and_the_order() -> None:
    days = np.linspace(5, 6, 1000, endpoint=False)
    moved = awake_hours(days, np.full(days.size, 23.0))
    assert (np.floor(moved) == 5).all()
    assert (np.diff(moved) > 0).all()
    hours = (moved - 5) * 24
    # 15 waking hours of weight 1 and 9 quiet ones, from 23 to 8, of weight 0.05.
    assert ((hours >= 8) & (hours < 23)).mean() == pytest.approx(15 / 15.45, abs=0.01)


def test_win_back_campaigns_bring_back_as_many_as_planted(company: Company) -> None:
    arms = company.arrays("""
        select arm = 'treated' as treated, would_return, returned, would_churn from company.arms
    """)
    treated = arms["treated"]
    assert abs(treated.mean() - 0.5) < 0.01

    def difference(outcome: Any) -> tuple[float, float]:
        with_it, without = outcome[treated], outcome[~treated]
        error = np.sqrt(with_it.var() / with_it.size + without.var() / without.size)
        return with_it.mean() - without.mean(), error

    untouched, error = difference(arms["would_return"].astype(float))
    assert abs(untouched) < 3 * error
    uplift, error = difference(arms["returned"].astype(float))
    assert abs(uplift - company.parameters.uplift) < 3 * error
    assert uplift > 3 * error
    assert not (arms["would_churn"] & arms["would_return"]).any()


def test_who_returned_in_a_trial_can_be_seen_in_the_orders(company: Company) -> None:
    assert not company.one("""
        with bought as (
            select distinct a.campaign_no, a.person_no
            from company.arms as a
            inner join company.campaigns as c on a.campaign_no = c.campaign_no
            inner join purchases as o on a.person_no = o.person_no
                and (o.ordered_at + interval 8 hour)::date between c.started_on and c.ended_on
        )

        select count(*)
        from company.arms as a
        left join bought as b on a.campaign_no = b.campaign_no and a.person_no = b.person_no
        where a.returned <> (b.person_no is not null)
    """)
    assert company.one("select count(*) = count(distinct person_no) from company.arms")


def test_complaints_and_low_scores_come_before_people_leave(company: Company) -> None:
    near = "p.dropped_at is not null and opened_at between p.dropped_at - interval 30 day and p.dropped_at"
    tickets = company.arrays(f"""
        select coalesce({near}, false) as near, t.kind = 'complaint' as complaint, coalesce(t.csat, 3) as csat
        from company.tickets as t inner join company.people as p on t.person_no = p.person_no
    """)
    near_farewell, complaint = tickets["near"], tickets["complaint"]
    assert complaint[near_farewell].mean() > 1.5 * complaint[~near_farewell].mean()
    assert tickets["csat"][near_farewell].mean() < tickets["csat"][~near_farewell].mean() - 0.3
    # Of the days that people are known to the company, those before a farewell are few; of the tickets, many.
    days_near, days = company.rows("""
        select
            sum(case when dropped_at is not null then least(30, date_diff('day', created_at, dropped_at)) else 0 end),
            sum(date_diff('day', created_at, timestamp '2025-12-31 16:00:00'))
        from company.people
    """)[0]
    assert near_farewell.mean() > 3 * days_near / days


def test_sessions_become_rare_before_people_leave(company: Company) -> None:
    early, late = company.rows("""
        select
            count(*) filter (where i.occurred_at < r.created_at + (p.dropped_at - r.created_at) / 2),
            count(*) filter (where i.occurred_at >= r.created_at + (p.dropped_at - r.created_at) / 2)
        from company.interactions as i
        inner join company.records as r on i.system = r.system and i.source_customer_no = r.source_customer_no
        inner join company.people as p on i.person_no = p.person_no
        where p.dropped_at > r.created_at + interval 90 day and i.occurred_at <= p.dropped_at
    """)[0]
    assert early > 1.5 * late


def test_plans_are_paid_every_three_months_until_cancelled(company: Company) -> None:
    assert not company.one("""
        with paid as (
            select person_no, min(ordered_at) as first_at, max(ordered_at) as last_at, max(net_amount) as instalment
            from purchases group by person_no
        )

        select count(*)
        from company.subscriptions as s
        inner join company.people as p on s.person_no = p.person_no
        left join paid on s.person_no = paid.person_no
        where p.timing <> 'contract' or p.currency <> s.currency
            or (paid.first_at + interval 8 hour)::date <> s.started_on
            or paid.instalment <> 3 * s.mrr
            or (s.status = 'cancelled') <> (s.cancelled_on is not null)
            or s.cancelled_on is distinct from (p.dropped_at + interval 8 hour)::date
            or s.renewal_due_on <= date '2025-12-31'
    """)
    assert company.one("select count(*) from company.subscriptions") == 980


def test_every_month_and_the_one_before_has_a_rate_of_every_foreign_currency(company: Company) -> None:
    rates = company.rows("""
        select currency, count(*), min(valid_on), max(valid_on), count(distinct valid_on) from company.fx_rates
        group by currency order by currency
    """)
    span = (37, date(2022, 12, 1), date(2025, 12, 1), 37)
    assert rates == [("INR", *span), ("USD", *span)]
