-- Which contract line is priced, in which service month, on the cost of a provider invoice that is not proven: such a line waits
-- when its document is issued. An invoice with quarantined rows (incomplete) is not proven either; a bounded one is.
WITH costs AS (
    SELECT DISTINCT
        matched.contract_line_id,
        coalesce(line.provider, 'microsoft') AS provider,
        line.invoice_number,
        service_starts_on(line.charge_start_on, line.order_on, line.billing_month) AS start_on,
        service_ends_on(line.charge_start_on, line.charge_end_on, line.order_on, line.billing_month) AS end_on
    FROM billing.cost_matches AS matched
    INNER JOIN billing.contract_terms AS terms
        ON matched.contract_line_id = terms.contract_line_id AND terms.pricing_model = 'cost_plus'
    INNER JOIN cost.invoice_lines AS line ON matched.line_id = line.line_id AND NOT line.is_estimate
    WHERE NOT matched.is_estimate
),

unproven AS (
    SELECT
        coalesce(provider, 'microsoft') AS provider,
        invoice_number,
        max(proof_state) AS proof_state
    FROM cost.invoice_proof
    WHERE proof_state IN ('unproven', 'incomplete')
    GROUP BY ALL
),

months AS (
    SELECT
        cost.contract_line_id,
        cost.provider,
        cost.invoice_number,
        unproven.proof_state,
        unnest(generate_series(date_trunc('month', cost.start_on), cast(cost.end_on AS TIMESTAMP), INTERVAL 1 MONTH)) AS month_start
    FROM costs AS cost
    INNER JOIN unproven
        ON cost.provider = unproven.provider AND upper(cost.invoice_number) = upper(unproven.invoice_number)
)

SELECT DISTINCT
    contract_line_id,
    strftime(month_start, '%Y-%m') AS service_month,
    provider,
    invoice_number,
    proof_state
FROM months
