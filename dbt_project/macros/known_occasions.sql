{#-
    The common table expressions that say what was known on one day about every purchase occasion (a customer-day on which
    something was bought that is still worth something) up to that day. Last of them: `known_occasions`.

    personal_gap_days = (n * own + k * prior) / (n + k): the running median of the customer's own gaps, shrunk to the median
    of all gaps. threshold_days = the configured quantile of (next gap / personal gap), times the personal gap, within bounds.
    Both use only gaps that had ended by the day in question, so that a threshold is never wiser than its day.
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
        purchases,
        amount,
        row_number() over (partition by customer_id order by occasion_on) as occasion_no,
        {{ days_between('lag(occasion_on) over (partition by customer_id order by occasion_on)', 'occasion_on') }} as gap_days,
        lead(occasion_on) over (partition by customer_id order by occasion_on) as next_occasion_on
    from known_days
),

prior_gap as (
    select coalesce(percentile_cont(0.5) within group (order by gap_days), {{ threshold.one_time_days }}) as prior_gap_days
    from numbered_occasions
    where gap_days is not null
),

own_gaps as (
    select
        *,
        {{ running_median('gap_days', 'customer_id', 'occasion_on') }} as own_gap_days
    from numbered_occasions
),

personal_gaps as (
    select
        own_gaps.*,
        coalesce((
            (own_gaps.occasion_no - 1) * coalesce(own_gaps.own_gap_days, 0)
            + {{ threshold.shrinkage }} * prior_gap.prior_gap_days
        ) / nullif(own_gaps.occasion_no - 1 + {{ threshold.shrinkage }}, 0), prior_gap.prior_gap_days) as personal_gap_days
    from own_gaps
    cross join prior_gap
),

gap_ratio as (
    select
        percentile_cont({{ threshold.q }}) within group (
            order by {{ days_between('occasion_on', 'next_occasion_on') }} / nullif(personal_gap_days, 0)
        ) as ratio
    from personal_gaps
    where occasion_no > 1 and next_occasion_on is not null
),

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
            else cast(ceil(least(greatest(
                personal_gaps.personal_gap_days * coalesce(gap_ratio.ratio, 1), {{ threshold.min_days }}
            ), {{ threshold.max_days }})) as integer)
        end as threshold_days
    from personal_gaps
    cross join gap_ratio
)
{%- endmacro -%}
