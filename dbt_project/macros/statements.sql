{#-
    What is read over time of what sources say without a date of its own: a status, an amount, a level.

    The day from which such a statement is known: that of the row's last change; else the eve of the export, for an export is written
    after the day it tells of. When a file was received says nothing of when it was written, so what it says is known from tonight.
-#}
{%- macro told_on(updated_at, exported_at) -%}
    case
        when {{ updated_at }} is not null then {{ business_date(updated_at) }}
        when {{ exported_at }} is not null then {{ add_days(business_date(exported_at), -1) }}
        else {{ tonight() }}
    end
{%- endmacro -%}

{#-
    Whether that day is tonight or earlier. Compared as moments: the calendar days of millions of changes would cost more than they
    say. An export is written after the day it tells of, so that of the morning after tonight tells of tonight.
-#}
{%- macro is_told(updated_at, exported_at) -%}
    case
        when {{ updated_at }} is not null then {{ updated_at }} < {{ day_end(tonight()) }}
        when {{ exported_at }} is not null then {{ exported_at }} < {{ day_end(add_days(tonight(), 1)) }}
        else true
    end
{%- endmacro -%}

{#-
    The common table expressions that put the statements about one thing in order of time, one a day, and leave out what only repeats
    the one before. Last of them: `statements`, with `said_on`. They read `said`, which has the columns key, told_on, changed_at
    (as in `changed_at`), version_at, corrected_at, row_hash, delivery_id and record_no; two statements are equal if `content` is.
-#}
{%- macro statements_in_order(key, content) -%}
-- A row that does not say when it was changed is older than all that do, unless it came after them.
said_in_order as (
    select * from said
    qualify
        changed_at is not null
        or told_on < min(case when changed_at is not null then told_on end) over (partition by {{ key }})
),

said_placed as (
    select
        *,
        row_number() over (
            partition by {{ key }}
            order by
                changed_at nulls first, version_at nulls first, corrected_at nulls first,
                row_hash desc, delivery_id desc, record_no desc
        ) as place
    from said_in_order
),

-- What was only said after tonight is known for want of anything else: then it was said tonight.
said_known as (
    select
        *,
        least(told_on, {{ tonight() }}) as said_on
    from said_placed
    where told_on <= {{ tonight() }} or place = 1
),

said_last as (
    select * from said_known
    qualify
        row_number() over (partition by {{ key }}, said_on order by place desc) = 1
),

-- An export of every night says most of the time what was said before.
statements as (
    select * from said_last
    qualify
        row_number() over (partition by {{ key }} order by said_on) = 1
        or lag({{ content }}) over (partition by {{ key }} order by said_on) is distinct from {{ content }}
)
{%- endmacro -%}
