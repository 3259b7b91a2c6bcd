-- Lines of D documents that contradict their own figures: a licence line is its amount less its discount; a usage line is list
-- price x charged quantity, rounded half up to the minor unit, and bounded where it is off by no more than that unit.
WITH sent AS (
    SELECT
        *,
        CASE WHEN subtotal_amount < 0 THEN -1 ELSE 1 END
        * product_units18(units18(abs(billable_quantity_sent)), units18(abs(unit_price))) AS exact_units
    FROM cost.invoice_lines
    WHERE billing_month = $billing_month AND currency = $currency AND starts_with(source_kind, 'legacy_') AND NOT is_estimate
),

lines AS (
    SELECT
        invoice_number,
        line_id,
        customer_id,
        subscription_id,
        product_id,
        sku_id,
        subtotal_amount,
        CASE
            WHEN source_kind = 'legacy_licence' THEN list_amount - coalesce(margin_amount, 0)
            WHEN source_kind = 'legacy_usage' AND margin_amount IS NULL THEN from_units18(
                divide_half_away(exact_units, one_minor_unit18($minor_decimals)) * one_minor_unit18($minor_decimals)
            )
        END AS formula_amount,
        source_kind = 'legacy_usage'
        AND abs(units18(subtotal_amount) - exact_units) <= one_minor_unit18($minor_decimals) AS is_bounded
    FROM sent
)

SELECT
    $billing_month AS billing_month,
    $currency AS currency,
    invoice_number,
    'legacy_line' AS kind,
    line_id,
    customer_id,
    subscription_id,
    product_id,
    sku_id,
    CAST(0 AS DECIMAL(18, 4)) AS pec_percent,
    CAST(1 AS BIGINT) AS line_count,
    subtotal_amount,
    formula_amount,
    CAST(0 AS DECIMAL(38, 18)) AS rounding_amount,
    CAST(0 AS HUGEINT) AS rounding_rest,
    CASE WHEN is_bounded THEN subtotal_amount - formula_amount ELSE 0 END AS bounded_amount,
    CASE WHEN is_bounded THEN 0 ELSE subtotal_amount - formula_amount END AS unexplained_amount,
    CAST(0 AS HUGEINT) AS unexplained_rest
FROM lines
WHERE subtotal_amount <> formula_amount
