with cube as (
    select
        coalesce(sum(customers), 0) as customers,
        coalesce(sum(clv_historic_margin), 0) as clv_historic_margin,
        coalesce(sum(costs), 0) as costs,
        coalesce(sum(clv_net), 0) as clv_net
    from {{ ref('clv_cube') }}
),

clv as (
    select
        count(*) as customers,
        coalesce(sum(clv_historic_margin), 0) as clv_historic_margin,
        coalesce(sum(touch_cost + coupon_cost + event_cost + service_cost), 0) as costs,
        coalesce(sum(clv_net), 0) as clv_net
    from {{ ref('customer_clv') }}
)

select
    cube.customers,
    clv.customers as customers_of_clv,
    cube.clv_net,
    clv.clv_net as clv_net_of_clv
from cube
cross join clv
where cube.customers <> clv.customers
    or cube.clv_historic_margin <> clv.clv_historic_margin
    or cube.costs <> clv.costs
    or cube.clv_net <> clv.clv_net
