{#- Whether a source says with an entry that points have expired; such a source keeps that account itself. -#}
{%- macro is_expiry_reason(reason) -%}
    lower(trim(coalesce({{ reason }}, ''))) in (
        'expiry', 'expired', 'expire', 'expiration', 'points_expired', 'points expired', '过期', '积分过期', '到期', '到期清零', '清零'
    )
{%- endmacro -%}

{#- Whether points were given for bringing a new customer. -#}
{%- macro is_referral_reason(reason) -%}
    lower(trim(coalesce({{ reason }}, ''))) in (
        'referral', 'referral_reward', 'referral reward', 'referral bonus', 'invite', 'invitation', '推荐', '推荐奖励', '邀请', '邀请奖励', '老带新'
    )
{%- endmacro -%}

{#- Whether a source itself did not accept a referral. -#}
{%- macro is_refused_referral(status) -%}
    lower(trim(coalesce({{ status }}, ''))) in (
        'rejected', 'declined', 'cancelled', 'canceled', 'invalid', 'refused', '已拒绝', '拒绝', '无效', '已取消', '取消'
    )
{%- endmacro -%}
