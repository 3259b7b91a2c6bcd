-- Lines by the published rule that reproduces their subtotal; a line counts under every rule that gives it.
WITH rules AS (
    SELECT
        position,
        rule,
        description
    FROM (
        VALUES
        (1, 'A', 'effective unit price x rate x quantity, cut to the minor unit'),
        (2, 'B', 'effective unit price x rate, cut to the minor unit, x quantity (published for licences)'),
        (3, 'C', 'effective unit price x rate x quantity, rounded half up to the minor unit'),
        (4, 'D', 'effective unit price x rate, rounded half up to the minor unit, x quantity'),
        (5, 'usage', 'price x quantity, cut to cents, x rate, cut to the minor unit (published for usage)'),
        (6, 'none', 'no published rule gives the subtotal')
    ) AS published (position, rule, description)
),

lines AS (
    SELECT
        coalesce(reproduced_by, 'none') AS reproduced_by,
        is_in_daily_usage,
        count(*) AS line_count
    FROM cost.line_rounding
    WHERE billing_month = $billing_month AND currency = $currency
    GROUP BY ALL
),

counted AS (
    SELECT
        rules.position,
        rules.rule,
        rules.description,
        CAST(sum(lines.line_count) AS BIGINT) AS line_count,
        CAST(coalesce(sum(lines.line_count) FILTER (list_contains(string_split(lines.reproduced_by, ','), rules.rule)), 0) AS BIGINT)
            AS reproduced_lines,
        CAST(coalesce(sum(lines.line_count) FILTER (lines.reproduced_by = rules.rule), 0) AS BIGINT) AS only_reproduced_lines,
        CAST(coalesce(sum(lines.line_count) FILTER (lines.is_in_daily_usage), 0) AS BIGINT) AS usage_line_count,
        CAST(
            coalesce(
                sum(lines.line_count) FILTER (
                    lines.is_in_daily_usage AND list_contains(string_split(lines.reproduced_by, ','), rules.rule)
                ),
                0
            ) AS BIGINT
        ) AS reproduced_usage_lines
    FROM rules
    CROSS JOIN lines
    GROUP BY ALL
)

SELECT
    $billing_month AS billing_month,
    $currency AS currency,
    rule,
    description,
    line_count,
    reproduced_lines,
    CAST(
        CAST(divide_half_away(reproduced_lines * 1000000, line_count) AS DECIMAL(18, 0)) * CAST('0.0001' AS DECIMAL(5, 4))
        AS DECIMAL(18, 4)
    ) AS reproduced_percent,
    only_reproduced_lines,
    usage_line_count,
    reproduced_usage_lines
FROM counted
ORDER BY position
