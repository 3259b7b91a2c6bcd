-- Which published rounding rules reproduce the subtotal of each billed new-commerce line. They cut towards zero: sizes are compared.
-- Behind a matched line, price x quantity is the pricing amount of its usage: the price on the line is itself rounded.
WITH lines AS (
    SELECT
        line.invoice_number,
        line.line_id,
        line.charge_type,
        line.is_in_daily_usage,
        line.subtotal_amount,
        part.formula_amount,
        line.billable_quantity < 0 AS is_negative,
        units18(abs(line.effective_unit_price)) AS price,
        units18(abs(line.billable_quantity)) AS quantity,
        units18(abs(coalesce(line.fx_rate, 1))) AS rate,
        units18(abs(line.subtotal_amount)) AS subtotal
    FROM cost.invoice_lines AS line
    LEFT JOIN cost.proof_parts AS part
        ON
            line.line_id = part.line_id
            AND part.kind = 'matched_line'
            AND part.billing_month = $billing_month
            AND part.currency = $currency
    WHERE
        line.billing_month = $billing_month
        AND line.currency = $currency
        AND NOT line.is_estimate
        AND line.provider = 'microsoft'
        AND line.product_family <> 'azure_legacy'
        AND (line.subtotal_amount <> 0 OR (line.effective_unit_price <> 0 AND line.billable_quantity <> 0))
        AND abs(line.subtotal_amount) < 1e11
        AND abs(line.effective_unit_price) < 1e11
        AND abs(CAST(line.effective_unit_price AS DOUBLE) * CAST(line.billable_quantity AS DOUBLE)) < 1e10
        AND abs(
            CAST(line.effective_unit_price AS DOUBLE)
            * CAST(line.billable_quantity AS DOUBLE)
            * CAST(coalesce(line.fx_rate, 1) AS DOUBLE)
        ) < 1e10
        AND abs(CAST(line.effective_unit_price AS DOUBLE) * CAST(coalesce(line.fx_rate, 1) AS DOUBLE)) < 1e10
),

amounts AS (
    SELECT
        *,
        double_product_units18(price, quantity, rate) AS amount,
        product_units18(price, rate) AS converted_price,
        usage_line_minor_units(product_units18(price, quantity), rate, $minor_decimals) AS usage_minor_units,
        CAST('1' || repeat('0', $minor_decimals) AS HUGEINT) AS minor_units_of_one
    FROM lines
),

judged AS (
    SELECT
        *,
        nullif(
            concat_ws(
                ',',
                CASE WHEN cut_minor_units(amount, $minor_decimals) * one_minor_unit18($minor_decimals) = subtotal THEN 'A' END,
                CASE WHEN cut_minor_units(converted_price, $minor_decimals) * quantity = subtotal * minor_units_of_one THEN 'B' END,
                CASE WHEN half_up_minor_units(amount, $minor_decimals) * one_minor_unit18($minor_decimals) = subtotal THEN 'C' END,
                CASE WHEN half_up_minor_units(converted_price, $minor_decimals) * quantity = subtotal * minor_units_of_one THEN 'D' END,
                CASE
                    WHEN
                        coalesce(formula_amount = subtotal_amount, usage_minor_units * one_minor_unit18($minor_decimals) = subtotal)
                        THEN 'usage'
                END
            ),
            ''
        ) AS reproduced_by
    FROM amounts
)

SELECT
    $billing_month AS billing_month,
    $currency AS currency,
    invoice_number,
    line_id,
    charge_type,
    is_in_daily_usage,
    subtotal_amount,
    reproduced_by,
    CASE
        WHEN reproduced_by IS NOT NULL THEN subtotal_amount
        ELSE from_units18(
            CASE WHEN subtotal_amount < 0 OR (subtotal_amount = 0 AND is_negative) THEN -1 ELSE 1 END
            * list_sort(
                list_transform(
                    [
                        cut_minor_units(amount, $minor_decimals) * one_minor_unit18($minor_decimals),
                        cut_minor_units(converted_price, $minor_decimals) * quantity // minor_units_of_one,
                        half_up_minor_units(amount, $minor_decimals) * one_minor_unit18($minor_decimals),
                        half_up_minor_units(converted_price, $minor_decimals) * quantity // minor_units_of_one,
                        usage_minor_units * one_minor_unit18($minor_decimals)
                    ],
                    LAMBDA published: struct_pack(distance := abs(published - subtotal), published := published)
                )
            )[1].published
        )
    END AS nearest_amount
FROM judged
