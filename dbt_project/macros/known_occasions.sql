{#-
    Fewer known values than these make no median and no quantile worth keeping: until so many gaps have ended, the rules'
    one_time_days stands for the usual gap, and a next gap is expected to be as long as the personal one.
-#}
{%- macro fewest_known_gaps() -%} 20 {%- endmacro -%}

{#-
    The common table expressions that read a quantile of whole numbers as it was known on the first day of each month: of all
    numbers that had come up in an earlier month. `histogram` has columns month, number and times, and `months` a row per
    month. The last expression, called `name`, has the columns month and known_quantile, and no row where too little was known.
    With `by`, a column of the histogram, there is one quantile for each of its values.

    The counts are cumulated over months, and then over numbers; the number at a place is the smallest one whose cumulated
    count exceeds the place. Between two places the quantile lies on a straight line, as in percentile_cont. So it is exact,
    and no table is larger than months × distinct numbers, however many occasions there are.
-#}
{%- macro quantile_known_by_month(name, histogram, quantile, by=none) -%}
{%- set key = by ~ ', ' if by else '' -%}
{{ name }}_numbers as (
    select distinct
        {{ key }}number
    from {{ histogram }}
),

{{ name }}_known as (
    select
        months.month,
        {%- if by %}
        {{ name }}_numbers.{{ by }},
        {%- endif %}
        {{ name }}_numbers.number,
        sum(coalesce({{ histogram }}.times, 0)) over (
            partition by {% if by %}{{ name }}_numbers.{{ by }}, {% endif %}{{ name }}_numbers.number
            order by months.month rows between unbounded preceding and 1 preceding
        ) as times
    from months
    cross join {{ name }}_numbers
    left join {{ histogram }}
        on months.month = {{ histogram }}.month
        and {{ name }}_numbers.number = {{ histogram }}.number
        {%- if by %}
        and {{ name }}_numbers.{{ by }} = {{ histogram }}.{{ by }}
        {%- endif %}
),

{{ name }}_cumulated as (
    select
        month,
        {%- if by %}
        {{ by }},
        {%- endif %}
        number,
        sum(times) over (
            partition by {{ key }}month order by number rows between unbounded preceding and current row
        ) as times_up_to,
        {{ quantile }} * (cast(sum(times) over (partition by {{ key }}month) as bigint) - 1) as place
    from {{ name }}_known
    where times > 0
),

{{ name }}_neighbours as (
    select
        month,
        {%- if by %}
        {{ by }},
        {%- endif %}
        min(number) filter (where times_up_to > floor(place)) as number_below,
        min(number) filter (where times_up_to > ceil(place)) as number_above,
        max(place - floor(place)) as way_above
    from {{ name }}_cumulated
    group by {{ key }}month
    having max(times_up_to) >= {{ fewest_known_gaps() }}
),

{{ name }} as (
    select
        month,
        {%- if by %}
        {{ by }},
        {%- endif %}
        cast(number_below + way_above * (number_above - number_below) as double) as known_quantile
    from {{ name }}_neighbours
)
{%- endmacro -%}

{#-
    The common table expressions of purchase occasions (customer-days on which something was bought that is still worth something)
    up to a day, with what each of them says of its own customer alone. Last of them: `own_occasions`. `days` and `links` are
    relations with the columns of customer_days and refund_links.
-#}
{%- macro own_occasions(as_of, days, links) -%}
refunded_sales as (
    select
        sale_order_id,
        customer_id,
        sale_on,
        least(sum(refunded_amount), max(sale_amount)) as refunded_amount,
        sum(refunded_amount) >= max(sale_amount) as is_voided
    from {{ links }}
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
        days.customer_id,
        days.order_on as occasion_on,
        days.purchases - coalesce(refunded_days.voided_purchases, 0) as purchases,
        days.sales_amount - coalesce(refunded_days.refunded_amount, 0) as amount
    from {{ days }} as days
    left join refunded_days
        on days.customer_id = refunded_days.customer_id
        and days.order_on = refunded_days.sale_on
    where days.order_on <= {{ as_of }}
        and days.purchases > coalesce(refunded_days.voided_purchases, 0)
),

ordered_occasions as (
    select
        *,
        row_number() over (partition by customer_id order by occasion_on) as occasion_no,
        {{ days_between('lag(occasion_on) over (partition by customer_id order by occasion_on)', 'occasion_on') }} as gap_days,
        lead(occasion_on) over (partition by customer_id order by occasion_on) as next_occasion_on
    from known_days
),

own_occasions as (
    select
        ordered_occasions.customer_id,
        ordered_occasions.occasion_on,
        cast({{ dbt.date_trunc('month', 'ordered_occasions.occasion_on') }} as date) as month,
        ordered_occasions.purchases,
        ordered_occasions.amount,
        categories.category,
        ordered_occasions.occasion_no,
        ordered_occasions.gap_days,
        ordered_occasions.next_occasion_on,
        cast({{ running_median('gap_days', 'ordered_occasions.customer_id', 'occasion_on') }} as double) as own_gap_days,
        min(gap_days) over (
            partition by ordered_occasions.customer_id order by occasion_on rows between unbounded preceding and current row
        ) as least_gap_days,
        max(gap_days) over (
            partition by ordered_occasions.customer_id order by occasion_on rows between unbounded preceding and current row
        ) as greatest_gap_days
    from ordered_occasions
    left join customer_day_categories as categories
        on ordered_occasions.customer_id = categories.customer_id
        and ordered_occasions.occasion_on = categories.order_on
)
{%- endmacro -%}

{#- What known_occasions reads; customer_days it names itself, for what is imported and then read twice is kept in memory. -#}
{%- macro occasion_inputs() -%}
    {{ return(['refund_links', 'customer_day_categories', 'customer_gaps']) }}
{%- endmacro -%}

{#-
    The common table expressions that say what was known on one day about every purchase occasion up to that day. Last of them:
    `known_occasions`. The calling model imports what `occasion_inputs` names.

    What an occasion says of its own customer is computed once, in customer_gaps, as it is known tonight. It was the same on any
    earlier day, except of customers with a sale of before that day that was given back after it: theirs is computed anew, from
    what was known by then.

    personal_gap_days = (n * own + k * usual) / (n + k): the running median of the customer's own gaps, shrunk to the median of the
    gaps that began with a purchase of the same category, or of all gaps where the category is not known or has too few.
    threshold_days = the configured quantile of (next gap / personal gap), times the personal gap, within bounds.

    Who buys once a year is known by their gaps: two or more, all of them about a year; or one, where so many others come back after a
    year that the gaps of a year stand out among those a season longer or shorter. Their gap is their own, and they are lost after
    so many times that gap as the rules tolerate.

    History stands still: what an occasion says of its customer's own gaps is what they were on that day, and all figures of
    the population are those known on the first day of the occasion's month (`quantile_known_by_month`). A gap is known from
    the month after the one in which it ended. So every later day finds the same gap and the same threshold, except after
    what changes the past itself: a refund that makes a sale void, or a document delivered late or corrected.

    The ratio is rounded to hundredths, to be counted as a whole number. What is rounded up to whole days is first rounded to a
    millionth of a day, for a product like 17.5 * 1.2 may come out a hair above 21.
-#}
{%- macro known_occasions(as_of) -%}
{%- set threshold = var('churn_threshold') -%}
{%- set annual = var('churn_annual_buyers') -%}
changed_customers as (
    select distinct customer_id
    from refund_links
    where sale_on <= {{ as_of }} and refunded_on > {{ as_of }}
),

changed_days as (
    select customer_days.*
    from {{ ref('customer_days') }} as customer_days
    inner join changed_customers
        on customer_days.customer_id = changed_customers.customer_id
),

changed_links as (
    select refund_links.*
    from refund_links
    inner join changed_customers
        on refund_links.customer_id = changed_customers.customer_id
),

{{ own_occasions(as_of, 'changed_days', 'changed_links') }},

numbered_occasions as (
    select
        customer_gaps.customer_id,
        customer_gaps.occasion_on,
        customer_gaps.month,
        customer_gaps.purchases,
        customer_gaps.amount,
        customer_gaps.category,
        customer_gaps.occasion_no,
        customer_gaps.gap_days,
        case when customer_gaps.next_occasion_on <= {{ as_of }} then customer_gaps.next_occasion_on end as next_occasion_on,
        customer_gaps.own_gap_days,
        customer_gaps.least_gap_days,
        customer_gaps.greatest_gap_days
    from customer_gaps
    left join changed_customers
        on customer_gaps.customer_id = changed_customers.customer_id
    where customer_gaps.occasion_on <= {{ as_of }} and changed_customers.customer_id is null

    union all

    select
        customer_id,
        occasion_on,
        month,
        purchases,
        amount,
        category,
        occasion_no,
        gap_days,
        next_occasion_on,
        own_gap_days,
        least_gap_days,
        greatest_gap_days
    from own_occasions
),

months as (
    select distinct month from numbered_occasions
),

-- A gap is told by the occasion that began it, which knows its category and when it ended.
ended_gaps_by_category as (
    select
        cast({{ dbt.date_trunc('month', 'next_occasion_on') }} as date) as month,
        category,
        {{ days_between('occasion_on', 'next_occasion_on') }} as number,
        count(*) as times
    from numbered_occasions
    where next_occasion_on is not null
    group by all
),

ended_gaps as (
    select
        month,
        number,
        cast(sum(times) as bigint) as times
    from ended_gaps_by_category
    group by month, number
),

counted_categories as (
    select category
    from ended_gaps_by_category
    where category is not null
    group by category
    having sum(times) >= {{ fewest_known_gaps() }}
),

ended_gaps_of_categories as (
    select ended_gaps_by_category.*
    from ended_gaps_by_category
    inner join counted_categories
        on ended_gaps_by_category.category = counted_categories.category
),

{{ quantile_known_by_month('usual_gaps', 'ended_gaps', 0.5) }},

{{ quantile_known_by_month('usual_gaps_of_categories', 'ended_gaps_of_categories', 0.5, by='category') }},

-- Where gaps of a year stand out: more of them are known than of those up to two months shorter and longer together.
yearly_gaps as (
    select
        months.month,
        sum(ended_gaps.times) filter (where ended_gaps.number between 335 and 395) >= {{ fewest_known_gaps() }}
        and sum(ended_gaps.times) filter (where ended_gaps.number between 335 and 395)
        > coalesce(sum(ended_gaps.times) filter (where ended_gaps.number not between 335 and 395), 0) as stand_out
    from months
    inner join ended_gaps
        on months.month > ended_gaps.month
        and ended_gaps.number between 275 and 455
    group by months.month
),

prior_gaps as (
    select
        numbered_occasions.*,
        coalesce(usual_gaps_of_categories.known_quantile, usual_gaps.known_quantile, {{ threshold.one_time_days }}) as prior_gap_days,
        {%- if annual.detect %}
        coalesce(
            case
                when numbered_occasions.occasion_no >= 3
                    then numbered_occasions.least_gap_days >= 365 / {{ annual.tolerance }}
                        and numbered_occasions.greatest_gap_days <= 365 * {{ annual.tolerance }}
                when numbered_occasions.occasion_no = 2
                    then numbered_occasions.gap_days between 335 and 395 and yearly_gaps.stand_out
            end,
            false
        ) as is_annual
        {%- else %}
        false as is_annual
        {%- endif %}
    from numbered_occasions
    left join usual_gaps
        on numbered_occasions.month = usual_gaps.month
    left join usual_gaps_of_categories
        on numbered_occasions.month = usual_gaps_of_categories.month
        and numbered_occasions.category = usual_gaps_of_categories.category
    left join yearly_gaps
        on numbered_occasions.month = yearly_gaps.month
),

personal_gaps as (
    select
        *,
        case
            when is_annual then own_gap_days
            else coalesce((
                (occasion_no - 1) * coalesce(own_gap_days, 0) + {{ threshold.shrinkage }} * prior_gap_days
            ) / nullif(occasion_no - 1 + {{ threshold.shrinkage }}, 0), prior_gap_days)
        end as personal_gap_days
    from prior_gaps
),

ended_ratios as (
    select
        cast({{ dbt.date_trunc('month', 'next_occasion_on') }} as date) as month,
        cast(floor(
            100 * {{ days_between('occasion_on', 'next_occasion_on') }} / nullif(personal_gap_days, 0) + 0.5
        ) as bigint) as number,
        count(*) as times
    from personal_gaps
    where occasion_no > 1 and next_occasion_on is not null and not is_annual
    group by all
),

{{ quantile_known_by_month('usual_ratios', 'ended_ratios', threshold.q) }},

known_occasions as (
    select
        personal_gaps.customer_id,
        personal_gaps.occasion_on,
        personal_gaps.occasion_no,
        personal_gaps.purchases,
        personal_gaps.amount,
        personal_gaps.category,
        personal_gaps.gap_days,
        personal_gaps.own_gap_days,
        personal_gaps.prior_gap_days,
        personal_gaps.personal_gap_days,
        personal_gaps.next_occasion_on,
        personal_gaps.is_annual,
        usual_ratios.known_quantile as usual_ratio,
        case
            when personal_gaps.occasion_no = 1 then {{ threshold.one_time_days }}
            when personal_gaps.is_annual
                then cast(ceil(round(greatest(
                    personal_gaps.personal_gap_days * {{ annual.tolerance }}, {{ threshold.min_days }}
                ), 6)) as integer)
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
