{#-
    Fewer known values than these make no median and no quantile worth keeping: until so many gaps have ended, the rules'
    one_time_days stands for the usual gap, and a next gap is expected to be as long as the personal one.
-#}
{%- macro fewest_known_gaps() -%} 20 {%- endmacro -%}

{#-
    The common table expressions that read a quantile of whole numbers as it was known on the first day of each month: of all
    numbers that had come up in an earlier month. `histogram` has columns month, number and times, and `months` a row per
    month. The last expression, called `name`, has the columns month and known_quantile, and no row where too little was known.

    The counts are cumulated over months, and then over numbers; the number at a place is the smallest one whose cumulated
    count exceeds the place. Between two places the quantile lies on a straight line, as in percentile_cont. So it is exact,
    and no table is larger than months × distinct numbers, however many occasions there are.
-#}
{%- macro quantile_known_by_month(name, histogram, quantile) -%}
{{ name }}_numbers as (
    select distinct number from {{ histogram }}
),

{{ name }}_known as (
    select
        months.month,
        {{ name }}_numbers.number,
        sum(coalesce({{ histogram }}.times, 0)) over (
            partition by {{ name }}_numbers.number
            order by months.month rows between unbounded preceding and 1 preceding
        ) as times
    from months
    cross join {{ name }}_numbers
    left join {{ histogram }}
        on months.month = {{ histogram }}.month
        and {{ name }}_numbers.number = {{ histogram }}.number
),

{{ name }}_cumulated as (
    select
        month,
        number,
        sum(times) over (
            partition by month order by number rows between unbounded preceding and current row
        ) as times_up_to,
        {{ quantile }} * (cast(sum(times) over (partition by month) as bigint) - 1) as place
    from {{ name }}_known
    where times > 0
),

{{ name }}_neighbours as (
    select
        month,
        min(number) filter (where times_up_to > floor(place)) as number_below,
        min(number) filter (where times_up_to > ceil(place)) as number_above,
        max(place - floor(place)) as way_above
    from {{ name }}_cumulated
    group by month
    having max(times_up_to) >= {{ fewest_known_gaps() }}
),

{{ name }} as (
    select
        month,
        cast(number_below + way_above * (number_above - number_below) as double) as known_quantile
    from {{ name }}_neighbours
)
{%- endmacro -%}

{#-
    The common table expressions that say what was known on one day about every purchase occasion (a customer-day on which
    something was bought that is still worth something) up to that day. Last of them: `known_occasions`.

    personal_gap_days = (n * own + k * usual) / (n + k): the running median of the customer's own gaps, shrunk to the median
    of all gaps. threshold_days = the configured quantile of (next gap / personal gap), times the personal gap, within bounds.

    History stands still: what an occasion says of its customer's own gaps is what they were on that day, and both figures of
    the population are those known on the first day of the occasion's month (`quantile_known_by_month`). A gap is known from
    the month after the one in which it ended. So every later day finds the same gap and the same threshold, except after
    what changes the past itself: a refund that makes a sale void, or a document delivered late or corrected.

    The ratio is rounded to hundredths, to be counted as a whole number. What is rounded up to whole days is first rounded to a
    millionth of a day, for a product like 17.5 * 1.2 may come out a hair above 21.
-#}
{%- macro known_occasions(as_of) -%}
{%- set threshold = var('churn_threshold') -%}
refunded_sales as (
    select
        sale_order_id,
        customer_id,
        sale_on,
        least(sum(refunded_amount), max(sale_amount)) as refunded_amount,
        sum(refunded_amount) >= max(sale_amount) as is_voided
    from refund_links
    where refunded_on <= {{ as_of }}
    group by sale_order_id, customer_id, sale_on
),

refunded_days as (
    select
        customer_id,
        sale_on,
        sum(refunded_amount) as refunded_amount,
        count(*) filter (where is_voided) as voided_purchases
    from refunded_sales
    group by customer_id, sale_on
),

known_days as (
    select
        customer_days.customer_id,
        customer_days.order_on as occasion_on,
        customer_days.purchases - coalesce(refunded_days.voided_purchases, 0) as purchases,
        customer_days.sales_amount - coalesce(refunded_days.refunded_amount, 0) as amount
    from customer_days
    left join refunded_days
        on customer_days.customer_id = refunded_days.customer_id
        and customer_days.order_on = refunded_days.sale_on
    where customer_days.order_on <= {{ as_of }}
        and customer_days.purchases > coalesce(refunded_days.voided_purchases, 0)
),

numbered_occasions as (
    select
        customer_id,
        occasion_on,
        cast({{ dbt.date_trunc('month', 'occasion_on') }} as date) as month,
        purchases,
        amount,
        row_number() over (partition by customer_id order by occasion_on) as occasion_no,
        {{ days_between('lag(occasion_on) over (partition by customer_id order by occasion_on)', 'occasion_on') }} as gap_days,
        lead(occasion_on) over (partition by customer_id order by occasion_on) as next_occasion_on
    from known_days
),

months as (
    select distinct month from numbered_occasions
),

ended_gaps as (
    select
        month,
        gap_days as number,
        count(*) as times
    from numbered_occasions
    where gap_days is not null
    group by month, gap_days
),

{{ quantile_known_by_month('usual_gaps', 'ended_gaps', 0.5) }},

own_gaps as (
    select
        numbered_occasions.*,
        {{ running_median('gap_days', 'customer_id', 'occasion_on') }} as own_gap_days
    from numbered_occasions
),

prior_gaps as (
    select
        own_gaps.*,
        coalesce(usual_gaps.known_quantile, {{ threshold.one_time_days }}) as prior_gap_days
    from own_gaps
    left join usual_gaps
        on own_gaps.month = usual_gaps.month
),

personal_gaps as (
    select
        *,
        coalesce((
            (occasion_no - 1) * coalesce(own_gap_days, 0) + {{ threshold.shrinkage }} * prior_gap_days
        ) / nullif(occasion_no - 1 + {{ threshold.shrinkage }}, 0), prior_gap_days) as personal_gap_days
    from prior_gaps
),

gap_ratios as (
    select
        cast({{ dbt.date_trunc('month', 'next_occasion_on') }} as date) as month,
        cast(floor(
            100 * {{ days_between('occasion_on', 'next_occasion_on') }} / nullif(personal_gap_days, 0) + 0.5
        ) as bigint) as number
    from personal_gaps
    where occasion_no > 1 and next_occasion_on is not null
),

ended_ratios as (
    select
        month,
        number,
        count(*) as times
    from gap_ratios
    group by month, number
),

{{ quantile_known_by_month('usual_ratios', 'ended_ratios', threshold.q) }},

known_occasions as (
    select
        personal_gaps.customer_id,
        personal_gaps.occasion_on,
        personal_gaps.occasion_no,
        personal_gaps.purchases,
        personal_gaps.amount,
        personal_gaps.gap_days,
        personal_gaps.own_gap_days,
        personal_gaps.personal_gap_days,
        personal_gaps.next_occasion_on,
        case
            when personal_gaps.occasion_no = 1 then {{ threshold.one_time_days }}
            else cast(ceil(round(least(greatest(
                personal_gaps.personal_gap_days * coalesce(usual_ratios.known_quantile, 100) / 100,
                {{ threshold.min_days }}
            ), {{ threshold.max_days }}), 6)) as integer)
        end as threshold_days
    from personal_gaps
    left join usual_ratios
        on personal_gaps.month = usual_ratios.month
)
{%- endmacro -%}
