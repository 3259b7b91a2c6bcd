-- What each document line, the provider's and ours, recognises in each month: spread evenly over the days of its service in units of
-- 1E-10, the earliest days take what does not divide. With the keys of the row of revenue versus cost that it counts in.
WITH
-- cost that no contract line takes is in the account's currency where every month of it has a rate to that
without_rate AS (
    SELECT DISTINCT
        piece.line_id,
        piece.entitlement_id
    FROM (
        SELECT
            line_id,
            entitlement_id,
            account_id,
            currency,
            billing_month,
            unnest(
                generate_series(date_trunc('month', start_on), CAST(end_on AS TIMESTAMP), INTERVAL 1 MONTH)
            ) AS month_on
        FROM billed_pieces
    ) AS piece
    INNER JOIN reference.accounts AS account ON piece.account_id = account.account_id AND piece.currency <> account.currency
    ANTI JOIN known_rates AS rate
        ON
            least(strftime(piece.month_on, '%Y-%m'), piece.billing_month) = rate.rate_month
            AND piece.currency = rate.from_currency
            AND account.currency = rate.to_currency
),

lines AS (
    SELECT
        'cost' AS side,
        contract.contract_line_id,
        CASE WHEN contract.contract_line_id IS NULL THEN piece.account_id ELSE contract.account_id END AS account_id,
        piece.customer_id,
        piece.subscription_id,
        piece.product_id,
        CASE WHEN piece.product_family <> 'azure_plan' THEN piece.sku_id END AS sku_id,
        CASE
            WHEN contract.contract_line_id IS NOT NULL THEN contract.currency
            WHEN without_rate.line_id IS NOT NULL THEN piece.currency
            ELSE coalesce(account.currency, piece.currency)
        END AS row_currency,
        piece.currency,
        piece.line_id,
        piece.entitlement_id,
        piece.invoice_number AS document_id,
        piece.billing_month,
        piece.product_name AS name,
        piece.start_on,
        piece.end_on,
        piece.quantity,
        CAST(piece.amount AS DECIMAL(38, 18)) AS amount
    FROM billed_pieces AS piece
    LEFT JOIN billing.contract_terms AS contract ON piece.contract_line_id = contract.contract_line_id
    LEFT JOIN reference.accounts AS account ON piece.account_id = account.account_id
    LEFT JOIN without_rate
        ON piece.line_id = without_rate.line_id AND piece.entitlement_id IS NOT DISTINCT FROM without_rate.entitlement_id
    UNION ALL
    SELECT
        'revenue' AS side,
        line.contract_line_id,
        line.account_id,
        NULL AS customer_id,
        NULL AS subscription_id,
        NULL AS product_id,
        NULL AS sku_id,
        line.currency AS row_currency,
        line.currency,
        line.invoice_id || ':' || line.line_number AS line_id,
        NULL AS entitlement_id,
        coalesce(document.invoice_number, line.invoice_id) AS document_id,
        line.billing_month,
        line.description AS name,
        line.service_start_on AS start_on,
        greatest(line.service_end_on, line.service_start_on) AS end_on,
        line.quantity,
        CAST(line.net_amount AS DECIMAL(38, 18)) AS amount
    FROM billing.invoice_lines AS line
    LEFT JOIN billing.invoices AS document ON line.invoice_id = document.invoice_id
)

SELECT
    *,
    strftime(start_on, '%Y-%m') AS service_month,
    amount AS recognised_amount
FROM lines
WHERE date_trunc('month', start_on) = date_trunc('month', end_on)
UNION ALL BY NAME
SELECT
    part.* EXCLUDE (month_on, units, days),
    strftime(part.month_on, '%Y-%m') AS service_month,
    CAST(
        from_units10(
            first_days_units(
                part.units, part.days, least(date_diff('day', part.start_on, part.month_on + INTERVAL 1 MONTH), part.days)
            )
            - first_days_units(part.units, part.days, greatest(date_diff('day', part.start_on, part.month_on), 0))
        ) AS DECIMAL(38, 18)
    )
    -- what lies below 1E-10 is recognised on the first day
    + CASE
        WHEN part.month_on <= part.start_on THEN part.amount - CAST(from_units10(part.units) AS DECIMAL(38, 18)) ELSE 0
    END AS recognised_amount
FROM (
    SELECT
        *,
        units18(amount) // 100000000 AS units,
        date_diff('day', start_on, end_on) + 1 AS days,
        unnest(
            generate_series(date_trunc('month', start_on), CAST(end_on AS TIMESTAMP), INTERVAL 1 MONTH)
        ) AS month_on
    FROM lines
    WHERE date_trunc('month', start_on) < date_trunc('month', end_on)
) AS part
