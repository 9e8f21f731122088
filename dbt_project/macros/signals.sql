{#-
    How signals speak: how each metric reads in a sentence, which kind of data it rests on, and how a sentence becomes SQL.
-#}

{#-
    The wording of each metric: what is said of its value in Chinese and in English, its unit behind a number in Chinese, its
    decimals, the factor from its own unit to that of the sentence, and the kind of data (a column of recorded_data) without which
    it means nothing. `{v}` is the value. A metric that is not here speaks through the label of its signal.
-#}
{%- macro signal_wordings() -%}
{%- set currency = var('base_currency') -%}
{%- set horizon = var('churn_horizon_days') -%}
{%- set rows = [
    ['recency_days', '已 {v} 天未下单', 'No order for {v} days', ' 天', 0],
    ['frequency', '购买 {v} 次', 'Purchases: {v}', ' 次', 0],
    ['monetary', '消费 {v} ' ~ currency, 'Spent {v} ' ~ currency, ' ' ~ currency, 0],
    ['orders', '累计下单 {v} 次', 'Orders ever: {v}', ' 次', 0],
    ['orders_365d', '近 365 天下单 {v} 次', 'Orders in the last 365 days: {v}', ' 次', 0],
    ['orders_90d', '近 90 天下单 {v} 次', 'Orders in the last 90 days: {v}', ' 次', 0],
    ['orders_prior_90d', '此前 90 天下单 {v} 次', 'Orders in the 90 days before: {v}', ' 次', 0],
    ['occasions', '购买天数 {v} 天', 'Days with a purchase: {v}', ' 天', 0],
    ['refunds_90d', '近 90 天退款 {v} 次', 'Refunds in the last 90 days: {v}', ' 次', 0],
    ['tenure_days', '成为客户 {v} 天', 'A customer for {v} days', ' 天', 0],
    ['days_since_created', '建档 {v} 天', 'Recorded {v} days ago', ' 天', 0],
    ['personal_gap_days', '个人购买周期 {v} 天', 'Personal purchase cycle: {v} days', ' 天', 0],
    ['threshold_days', '流失阈值 {v} 天', 'Counts as lost after {v} days', ' 天', 0],
    ['days_overdue', '比预期晚 {v} 天未下单', 'Order overdue by {v} days', ' 天', 0],
    ['gross_revenue', '累计销售额 {v} ' ~ currency, 'Sales ever: {v} ' ~ currency, ' ' ~ currency, 0],
    ['refund_amount', '累计退款 {v} ' ~ currency, 'Refunds ever: {v} ' ~ currency, ' ' ~ currency, 0],
    ['net_revenue', '累计净收入 {v} ' ~ currency, 'Net revenue ever: {v} ' ~ currency, ' ' ~ currency, 0],
    ['net_revenue_365d', '近 365 天净收入 {v} ' ~ currency, 'Net revenue of the last 365 days: {v} ' ~ currency, ' ' ~ currency, 0],
    ['net_revenue_90d', '近 90 天净收入 {v} ' ~ currency, 'Net revenue of the last 90 days: {v} ' ~ currency, ' ' ~ currency, 0],
    ['net_revenue_prior_90d', '此前 90 天净收入 {v} ' ~ currency, 'Net revenue of the 90 days before: {v} ' ~ currency, ' ' ~ currency, 0],
    ['gross_margin', '累计毛利 {v} ' ~ currency, 'Margin ever: {v} ' ~ currency, ' ' ~ currency, 0],
    ['gross_margin_365d', '近 365 天毛利 {v} ' ~ currency, 'Margin of the last 365 days: {v} ' ~ currency, ' ' ~ currency, 0],
    ['aov_365d', '近 365 天客单价 {v} ' ~ currency, 'Worth of an order in the last 365 days: {v} ' ~ currency, ' ' ~ currency, 0],
    ['costs_total', '累计成本 {v} ' ~ currency, 'Costs ever: {v} ' ~ currency, ' ' ~ currency, 0],
    ['clv_net_margin_basis', '净客户价值（毛利口径）{v} ' ~ currency, 'Net value from margin: {v} ' ~ currency, ' ' ~ currency, 0],
    ['clv_net_spend_basis', '净客户价值（消费口径）{v} ' ~ currency, 'Net value from spend: {v} ' ~ currency, ' ' ~ currency, 0],
    ['clv_predicted_365d', '未来一年预测毛利 {v} ' ~ currency, 'Margin expected in 365 days: {v} ' ~ currency, ' ' ~ currency, 0],
    ['churn_probability', horizon ~ ' 天内不再购买的概率为 {v}%', 'Buys nothing within ' ~ horizon ~ ' days with probability {v}%', '%', 0, 100],
    ['active_days_30d', '近 30 天活跃 {v} 天', 'Active days in the last 30 days: {v}', ' 天', 0],
    ['active_days_90d', '近 90 天活跃 {v} 天', 'Active days in the last 90 days: {v}', ' 天', 0],
    ['days_since_login', '{v} 天未登录', 'No login for {v} days', ' 天', 0, 1, 'logins'],
    ['logins_30d', '近 30 天登录 {v} 次', 'Logins in the last 30 days: {v}', ' 次', 0, 1, 'logins'],
    ['logins_prior_90d_monthly', '此前月均登录 {v} 次', 'Logins a month before: {v}', ' 次', 1, 1, 'logins'],
    ['feature_events_30d', '近 30 天使用功能 {v} 次', 'Feature uses in the last 30 days: {v}', ' 次', 0, 1, 'usage'],
    ['feature_events_prior_90d_monthly', '此前月均使用功能 {v} 次', 'Feature uses a month before: {v}', ' 次', 1, 1, 'usage'],
    ['usage_seconds_30d', '近 30 天使用 {v} 小时', 'Hours of use in the last 30 days: {v}', ' 小时', 1, 1 / 3600, 'usage_time'],
    ['usage_seconds_prior_90d_monthly', '此前月均使用 {v} 小时', 'Hours of use a month before: {v}', ' 小时', 1, 1 / 3600, 'usage_time'],
    ['features_used_30d', '近 30 天使用 {v} 个功能', 'Features used in the last 30 days: {v}', ' 个', 0, 1, 'features'],
    ['features_used_prior_90d', '此前 90 天使用 {v} 个功能', 'Features used in the 90 days before: {v}', ' 个', 0, 1, 'features'],
    ['usage_trend_30d', '功能使用量较此前月均变化 {v}%', 'Feature use against the months before: {v}%', '%', 0, 100, 'usage'],
    ['interactions_90d', '近 90 天互动 {v} 次', 'Contacts in the last 90 days: {v}', ' 次', 0, 1, 'interactions'],
    ['days_since_contact', '{v} 天未联系', 'No contact for {v} days', ' 天', 0, 1, 'contacts'],
    ['touches_90d', '近 90 天营销触达 {v} 次', 'Marketing messages in the last 90 days: {v}', ' 次', 0, 1, 'touches'],
    ['touch_responses_90d', '近 90 天响应营销 {v} 次', 'Answers to marketing in the last 90 days: {v}', ' 次', 0, 1, 'touches'],
    ['opted_out_channels', '已退订 {v} 个渠道', 'Channels opted out of: {v}', ' 个', 0, 1, 'consents'],
    ['tickets_30d', '近 30 天 {v} 张工单', 'Tickets in the last 30 days: {v}', ' 张', 0, 1, 'tickets'],
    ['tickets_prior_90d_monthly', '此前月均 {v} 张工单', 'Tickets a month before: {v}', ' 张', 1, 1, 'tickets'],
    ['complaints_90d', '近 90 天投诉 {v} 次', 'Complaints in the last 90 days: {v}', ' 次', 0, 1, 'tickets'],
    ['days_since_complaint', '{v} 天前投诉', 'Complained {v} days ago', ' 天', 0, 1, 'tickets'],
    ['open_tickets', '{v} 张工单未关闭', 'Open tickets: {v}', ' 张', 0, 1, 'tickets'],
    [
        'open_repeat_tickets', '同一问题 {v} 张工单超过 ' ~ var('ticket_sla_days') ~ ' 天未解决',
        'Tickets on one topic open for more than ' ~ var('ticket_sla_days') ~ ' days: {v}', ' 张', 0, 1, 'tickets',
    ],
    ['nps_latest', '最近 NPS 评分 {v} 分', 'Latest NPS score: {v}', ' 分', 0, 1, 'nps'],
    ['nps_age_days', '最近 NPS 评分距今 {v} 天', 'Latest NPS score given {v} days ago', ' 天', 0, 1, 'nps'],
    ['csat_latest', '最近满意度 {v} 分（满分 5 分）', 'Latest satisfaction score: {v} of 5', ' 分', 1, 1, 'csat'],
    ['csat_age_days', '最近满意度评分距今 {v} 天', 'Latest satisfaction score given {v} days ago', ' 天', 0, 1, 'csat'],
    ['points_balance', '积分余额 {v} 分', 'Points balance: {v}', ' 分', 0, 1, 'points'],
    ['points_expiring_30d', '30 天内到期积分 {v} 分', 'Points that expire within 30 days: {v}', ' 分', 0, 1, 'points'],
    ['mrr', '月度经常性收入 {v} ' ~ currency, 'Monthly recurring revenue: {v} ' ~ currency, ' ' ~ currency, 0, 1, 'contracts'],
    ['days_to_renewal', '距续费 {v} 天', 'Renewal due in {v} days', ' 天', 0, 1, 'contracts'],
    ['is_annual_buyer', '每年购买一次', 'Buys once a year', '', 0],
    ['churned', '已流失', 'Lost', '', 0],
    ['has_contract', '有合同', 'Has a contract', '', 0, 1, 'contracts'],
    ['is_contract_churned', '合同已流失', 'Contract lost', '', 0, 1, 'contracts'],
    ['is_paused', '合同暂停中', 'Contract paused', '', 0, 1, 'contracts'],
    ['champion_left', '主要联系人已离职', 'The main contact has left', '', 0, 1, 'persons'],
] -%}
{%- set wordings = {} -%}
{%- for row in rows -%}
    {%- do wordings.update({row[0]: {
        'zh': row[1],
        'en': row[2],
        'unit_zh': row[3],
        'unit_en': '%' if row[3] == '%' else '',
        'decimals': row[4],
        'factor': row[5] if row | length > 5 else 1,
        'rests_on': row[6] if row | length > 6 else none,
    }}) -%}
{%- endfor -%}
{{ return(wordings) }}
{%- endmacro -%}

{#- A number in a sentence without zeros behind the point: as many decimals as given, or none where it is whole. -#}
{%- macro told(value, decimals) -%}
{%- if decimals == 0 -%}
    {{ spoken(value, 0) }}
{%- else -%}
    case when round({{ value }}, {{ decimals }}) = round({{ value }}) then {{ spoken(value, 0) }} else {{ spoken(value, decimals) }} end
{%- endif -%}
{%- endmacro -%}

{#- A number of the rules, as a person writes it. -#}
{%- macro plain_number(value) -%}
{%- set rounded = value | round(4) -%}
{{ return((rounded | int if rounded == rounded | int else rounded) | string) }}
{%- endmacro -%}

{#- A sentence with `{name}` in the place of numbers, as SQL; `numbers` has the SQL of each. -#}
{%- macro sentence(text, numbers) -%}
{%- set sql = namespace(text=literal(text)) -%}
{%- for name, number in numbers.items() -%}
    {%- set sql.text = sql.text | replace('{' ~ name ~ '}', "' || " ~ number ~ " || '") -%}
{%- endfor -%}
{{ return(sql.text) }}
{%- endmacro -%}

{#- The columns that a compiled condition names. -#}
{%- macro columns_in(condition) -%}
{%- set words = modules.re.findall('[a-z_][a-z0-9_]*', modules.re.sub("'[^']*'", ' ', condition or '')) -%}
{%- set columns = [] -%}
{%- for word in words -%}
    {%- if word not in columns and word not in [
        'and', 'or', 'not', 'is', 'null', 'in', 'between', 'true', 'false', 'case', 'when', 'then', 'else', 'end', 'cast', 'as',
        'double', 'abs', 'coalesce', 'greatest', 'least', 'lower', 'nullif', 'round', 'upper', 'e',
    ] -%}
        {%- do columns.append(word) -%}
    {%- endif -%}
{%- endfor -%}
{{ return(columns) }}
{%- endmacro -%}

{#- Every column that a signal reads: its figure, what that is held against, how old it is, and what its condition names. -#}
{%- macro columns_of_signal(signal) -%}
{%- set columns = [signal.metric] -%}
{%- for column in [signal.vs, signal.max_age_metric] + columns_in(signal.and_sql) -%}
    {%- if column and column not in columns -%} {%- do columns.append(column) -%} {%- endif -%}
{%- endfor -%}
{%- if signal.metric == 'cadence_ratio' -%} {%- do columns.extend(['recency_days', 'personal_gap_days']) -%} {%- endif -%}
{%- if signal.metric == 'churn_probability_lift' -%} {%- do columns.extend(['churn_probability', 'base_rate']) -%} {%- endif -%}
{{ return(columns | unique | list) }}
{%- endmacro -%}

{#- Figures that say something of customers who are judged by their purchases only. -#}
{%- macro purchase_judgements() -%}
{{ return(['recency_days', 'cadence_ratio', 'days_overdue', 'churn_probability', 'churn_probability_lift']) }}
{%- endmacro -%}

{#- What is normal for the figure of a signal, as SQL. -#}
{%- macro signal_baseline(signal) -%}
{%- if signal.vs -%} cast({{ signal.vs }} as double)
{%- elif signal.metric == 'cadence_ratio' -%} cast(personal_gap_days as double)
{%- elif signal.metric == 'churn_probability_lift' -%} base_rate
{%- else -%} cast(null as double)
{%- endif -%}
{%- endmacro -%}

{#-
    The reason of a signal in one language, as SQL over signal_value, signal_baseline, signal_change and the columns that the signal
    reads: the figure, what it is held against, how old it is, the threshold in force, and the figures of its condition.
-#}
{%- macro signal_reason(signal, language) -%}
{%- set zh = language == 'zh' -%}
{%- set wordings = signal_wordings() -%}
{%- set wording = wordings.get(signal.metric) -%}
{%- set horizon = var('churn_horizon_days') -%}
{%- set is_change = signal.op in ['drop_pct', 'rise_pct'] -%}
{%- set factor = 100 if is_change else (wording.factor if wording else 1) -%}
{%- set threshold = plain_number(signal.value * factor) -%}
{%- if signal.escalate_value is defined and signal.escalate_value is not none -%}
    {%- set threshold_sql = "case when is_escalated then '" ~ plain_number(signal.escalate_value * factor) ~ "' else '" ~ threshold ~ "' end" -%}
{%- else -%}
    {%- set threshold_sql = "'" ~ threshold ~ "'" -%}
{%- endif -%}
{%- set unit = '%' if is_change else ((wording.unit_zh if zh else wording.unit_en) if wording else '') -%}
{%- set limit = ('（阈值 {t}' ~ unit ~ '）') if zh else (' (threshold {t}' ~ unit ~ ')') -%}
{%- set numbers = {'t': threshold_sql} -%}
{%- set parts = [] -%}
{%- if signal.metric == 'cadence_ratio' and not is_change -%}
    {%- do numbers.update({'r': spoken('recency_days', 0), 'g': spoken('personal_gap_days', 0), 'v': spoken('cadence_ratio', 1)}) -%}
    {%- do parts.append(sentence(
        '已 {r} 天未下单，为个人购买周期 {g} 天的 {v} 倍（阈值 {t} 倍）' if zh
        else 'No order for {r} days, {v} times the personal cycle of {g} days (threshold {t})', numbers
    )) -%}
{%- elif signal.metric == 'churn_probability_lift' and not is_change -%}
    {%- do numbers.update({'v': spoken('churn_probability * 100', 0), 'b': spoken('base_rate * 100', 0)}) -%}
    {%- do parts.append(sentence(
        horizon ~ ' 天内不再购买的概率为 {v}%，平均为 {b}%' if zh
        else 'Buys nothing within ' ~ horizon ~ ' days with probability {v}% (average {b}%)', numbers
    )) -%}
{%- elif not wording or (signal.op == '=' and not wording.unit_zh and signal.value != 1) -%}
    {%- do numbers.update({'v': told('signal_value', 1)}) -%}
    {%- do parts.append(literal(signal.zh if zh else signal.en)) -%}
    {%- do parts.append(sentence(('：{v}' if zh else ': {v}') ~ limit, numbers)) -%}
{%- elif not wording.unit_zh -%}
    {%- do parts.append(literal(wording.zh if zh else wording.en)) -%}
{%- else -%}
    {%- set scale = '' if wording.factor == 1 else ' * ' ~ wording.factor -%}
    {%- do numbers.update({'v': told('signal_value' ~ scale, wording.decimals)}) -%}
    {%- do parts.append(sentence(wording.zh if zh else wording.en, numbers)) -%}
    {%- if is_change -%}
        {%- do numbers.update({
            'b': told('signal_baseline' ~ scale, 1),
            'c': spoken('abs(signal_change) * 100', 0),
        }) -%}
        {%- if signal.vs.endswith('_monthly') -%}
            {%- set before = ('，此前月均 {b}' ~ wording.unit_zh) if zh else ', {b} a month before' -%}
        {%- elif signal.vs.endswith('_prior_90d') -%}
            {%- set before = ('，此前 90 天 {b}' ~ wording.unit_zh) if zh else ', {b} in the 90 days before' -%}
        {%- else -%}
            {%- set before = ('，对比 {b}' ~ wording.unit_zh) if zh else ', against {b}' -%}
        {%- endif -%}
        {%- if signal.op == 'drop_pct' -%}
            {%- set change = '，下降 {c}%' if zh else ', down {c}%' -%}
        {%- else -%}
            {%- set change = '，上升 {c}%' if zh else ', up {c}%' -%}
        {%- endif -%}
        {%- do parts.append(sentence(before, numbers)) -%}
        {#- From nothing there is no share by which a figure rises. -#}
        {%- do parts.append("coalesce(" ~ sentence(change, numbers) ~ ", " ~ literal('，上升' if zh else ', up') ~ ")") -%}
    {%- endif -%}
    {%- if signal.max_age_metric -%}
        {%- do parts.append(sentence(
            '，{a} 天前' if zh else ', {a} days ago', {'a': spoken(signal.max_age_metric, 0)}
        )) -%}
    {%- endif -%}
    {%- do parts.append(sentence(limit, numbers)) -%}
{%- endif -%}
{%- for column in columns_in(signal.and_sql) if column in wordings and column != signal.metric -%}
    {%- set other = wordings[column] -%}
    {%- set joined = '；' if zh else '; ' -%}
    {%- set scale = '' if other.factor == 1 else ' * ' ~ other.factor -%}
    {%- if other.unit_zh -%}
        {%- do parts.append("coalesce(" ~ sentence(
            joined ~ (other.zh if zh else other.en),
            {'v': told('cast(' ~ column ~ ' as double)' ~ scale, other.decimals)}
        ) ~ ", '')") -%}
    {%- else -%}
        {%- do parts.append("case when " ~ column ~ " then " ~ literal(joined ~ (other.zh if zh else other.en)) ~ " else '' end") -%}
    {%- endif -%}
{%- endfor -%}
{{ return(parts | join(' || ')) }}
{%- endmacro -%}

{#- The names and values of everything that a signal read of a customer, as SQL: from these the decision can be repeated. -#}
{%- macro signal_evidence(signal) -%}
{%- set words = ['preferred_channel'] -%}
{%- set flags = ['churned', 'is_annual_buyer', 'has_contract', 'is_contract_churned', 'is_paused', 'champion_left'] -%}
{%- set parts = [] -%}
{%- for column in columns_of_signal(signal) -%}
    {%- if column in words + flags -%}
        {%- set told_value = 'cast(' ~ column ~ ' as ' ~ dbt.type_string() ~ ')' -%}
    {%- else -%}
        {%- set told_value = told('cast(' ~ column ~ ' as double)', 4) -%}
    {%- endif -%}
    {%- do parts.append("'" ~ ('' if loop.first else ', ') ~ column ~ " ' || coalesce(" ~ told_value ~ ", 'unknown')") -%}
{%- endfor -%}
{{ return(parts | join(' || ')) }}
{%- endmacro -%}

{#- Whether the figure of a signal reaches a value, as SQL over signal_value, signal_baseline and signal_change. -#}
{%- macro signal_comparison(signal, value) -%}
{%- if signal.op == 'drop_pct' -%}
    coalesce(-signal_change >= {{ value }}, false)
{%- elif signal.op == 'rise_pct' -%}
    coalesce(coalesce(signal_change >= {{ value }}, signal_baseline = 0 and signal_value > 0), false)
{%- else -%}
    coalesce(signal_value {{ signal.op }} {{ value }}, false)
{%- endif -%}
{%- endmacro -%}
