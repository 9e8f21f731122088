with counted_costs as (
    select
        customer_id,
        sum(amount) as costs
    from {{ ref('customer_costs') }}
    where is_counted
    group by customer_id
)

select
    clv.customer_id,
    clv.clv_net,
    customers.gross_margin,
    counted_costs.costs
from {{ ref('customer_clv') }} as clv
inner join {{ ref('customers') }} as customers
    on clv.customer_id = customers.customer_id
left join counted_costs
    on clv.customer_id = counted_costs.customer_id
where clv.clv_net <> customers.gross_margin - coalesce(counted_costs.costs, 0)
    or clv.clv_net_spend_basis <> customers.net_revenue - coalesce(counted_costs.costs, 0)
    or clv.touch_cost + clv.coupon_cost + clv.event_cost + clv.service_cost <> coalesce(counted_costs.costs, 0)
