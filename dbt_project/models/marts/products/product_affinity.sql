{{ config(tags=['before_scores']) }}

with customer_categories as (
    select * from {{ ref('customer_categories') }}
),

everybody as (
    select count(distinct customer_id) as buyers
    from customer_categories
),

categories as (
    select
        category,
        count(*) as buyers,
        sum(net_amount) as net_amount,
        sum(gross_margin) as gross_margin
    from customer_categories
    group by category
),

-- The pairs of a long tail cost a lot and tell nothing.
popular as (
    select
        *,
        row_number() over (order by buyers desc, category) as place
    from categories
    qualify row_number() over (order by buyers desc, category) <= {{ most_paired_categories() }}
),

bought as (
    select
        customer_categories.customer_id,
        popular.place
    from customer_categories
    inner join popular
        on customer_categories.category = popular.category
),

pairs as (
    select
        one.place as place_a,
        other.place as place_b,
        count(*) as buyers_of_both
    from bought as one
    inner join bought as other
        on one.customer_id = other.customer_id
        and one.place < other.place
    group by one.place, other.place
    having count(*) >= {{ fewest_common_buyers() }}
),

directed as (
    select
        place_a,
        place_b,
        buyers_of_both
    from pairs

    union all

    select
        place_b as place_a,
        place_a as place_b,
        buyers_of_both
    from pairs
),

final as (
    select
        {{ tonight() }} as as_of,
        bought_category.category,
        next_category.category as other_category,
        bought_category.buyers,
        next_category.buyers as other_buyers,
        directed.buyers_of_both as support,
        {{ significant('directed.buyers_of_both / nullif(everybody.buyers, 0)') }} as support_share,
        {{ significant('directed.buyers_of_both / nullif(bought_category.buyers, 0)') }} as confidence,
        {{ significant(
            'cast(directed.buyers_of_both as double) * everybody.buyers / nullif(cast(bought_category.buyers as double) * next_category.buyers, 0)'
        ) }} as lift,
        {{ significant('cast(next_category.gross_margin as double) / nullif(cast(next_category.net_amount as double), 0)') }} as other_margin_rate
    from directed
    inner join popular as bought_category
        on directed.place_a = bought_category.place
    inner join popular as next_category
        on directed.place_b = next_category.place
    cross join everybody
)

select * from final
