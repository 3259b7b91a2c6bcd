-- Where a gap to a header may come from, and lines that contradict their own figures: what no published rule gives, totals that are
-- not subtotal and tax. A gap between lines and usage is in cost.unexplained_rows.
WITH lines AS (
    SELECT
        line.provider,
        line.invoice_number,
        line.line_id,
        line.source_file,
        line.source_row,
        line.customer_id,
        line.subscription_id,
        line.subtotal_amount,
        line.tax_amount,
        line.total_amount,
        rounding.nearest_amount,
        line.source_kind,
        line.billable_quantity_sent,
        line.unit_price,
        line.is_in_daily_usage,
        count(*) OVER (
            PARTITION BY
                line.provider, line.invoice_number, id_key(line.customer_id), id_key(line.subscription_id), id_key(line.product_id),
                id_key(line.sku_id), lower(line.charge_type), line.charge_start_on, line.charge_end_on, line.order_id,
                line.meter_description, line.reference_id, line.unit_price, line.effective_unit_price, line.billable_quantity_sent,
                line.subtotal_amount, line.tax_amount, line.total_amount
        ) AS equal_lines
    FROM cost.invoice_lines AS line
    LEFT JOIN cost.line_rounding AS rounding
        ON line.line_id = rounding.line_id AND rounding.billing_month = $billing_month AND rounding.currency = $currency
    WHERE line.billing_month = $billing_month AND line.currency = $currency AND NOT line.is_estimate
),

proofs AS (
    SELECT *
    FROM cost.invoice_proof
    WHERE billing_month = $billing_month AND currency = $currency
),

-- price x quantity of a distributor's line, cut and rounded half up to the minor unit
distributed AS (
    SELECT
        *,
        CASE WHEN subtotal_amount < 0 THEN -1 ELSE 1 END AS direction,
        product_units18(units18(abs(billable_quantity_sent)), units18(abs(unit_price))) AS exact_units
    FROM lines
    WHERE source_kind = 'distributor_invoice' AND unit_price IS NOT NULL AND billable_quantity_sent IS NOT NULL
),

contradicting AS (
    SELECT
        lines.* EXCLUDE (nearest_amount),
        nearest_amount AS expected_amount,
        subtotal_amount - nearest_amount AS amount,
        'line_differs_from_every_published_rule' AS reason
    FROM lines
    WHERE NOT is_in_daily_usage AND subtotal_amount <> nearest_amount
    UNION ALL BY NAME
    SELECT
        distributed.* EXCLUDE (nearest_amount, direction, exact_units),
        from_units18(direction * half_up_minor_units(exact_units, $minor_decimals) * one_minor_unit18($minor_decimals)) AS expected_amount,
        subtotal_amount - expected_amount AS amount,
        'line_is_not_price_times_quantity' AS reason
    FROM distributed
    WHERE
        abs(units18(subtotal_amount)) NOT IN (
            cut_minor_units(exact_units, $minor_decimals) * one_minor_unit18($minor_decimals),
            half_up_minor_units(exact_units, $minor_decimals) * one_minor_unit18($minor_decimals)
        )
    UNION ALL BY NAME
    SELECT
        lines.* EXCLUDE (nearest_amount),
        subtotal_amount + coalesce(tax_amount, 0) AS expected_amount,
        total_amount - subtotal_amount - coalesce(tax_amount, 0) AS amount,
        'line_total_is_not_subtotal_and_tax' AS reason
    FROM lines
    WHERE total_amount <> subtotal_amount + coalesce(tax_amount, 0)
),

found AS (
    SELECT
        contradicting.provider,
        contradicting.invoice_number,
        contradicting.line_id,
        contradicting.source_file,
        contradicting.source_row,
        contradicting.customer_id,
        contradicting.subscription_id,
        contradicting.expected_amount,
        contradicting.amount,
        contradicting.reason,
        coalesce(proofs.header_gap_amount = -contradicting.amount, FALSE) AS is_header_gap
    FROM contradicting
    LEFT JOIN proofs USING (provider, invoice_number)
    UNION ALL BY NAME
    SELECT
        line.provider,
        line.invoice_number,
        line.line_id,
        line.source_file,
        line.source_row,
        line.customer_id,
        line.subscription_id,
        CAST(0 AS DECIMAL(38, 18)) AS expected_amount,
        line.total_amount AS amount,
        CASE WHEN line.equal_lines > 1 THEN 'line_stands_more_than_once' ELSE 'line_is_as_large_as_the_gap' END AS reason,
        TRUE AS is_header_gap
    FROM lines AS line
    INNER JOIN proofs ON line.provider = proofs.provider AND line.invoice_number = proofs.invoice_number
    WHERE proofs.header_gap_amount <> 0 AND line.total_amount = -proofs.header_gap_amount
    UNION ALL BY NAME
    SELECT
        customers.provider,
        customers.invoice_number,
        customers.customer_id,
        CAST(0 AS DECIMAL(38, 18)) AS expected_amount,
        customers.lines_amount AS amount,
        'lines_of_customer_are_as_large_as_the_gap' AS reason,
        TRUE AS is_header_gap
    FROM cost.customer_proof AS customers
    INNER JOIN proofs ON customers.provider = proofs.provider AND customers.invoice_number = proofs.invoice_number
    WHERE
        customers.billing_month = $billing_month
        AND customers.currency = $currency
        AND proofs.header_gap_amount <> 0
        AND customers.lines_amount = -proofs.header_gap_amount
    UNION ALL BY NAME
    SELECT
        proofs.provider,
        proofs.invoice_number,
        proofs.lines_amount + proofs.document_tax_amount AS expected_amount,
        CAST(proofs.header_gap_amount AS DECIMAL(38, 18)) AS amount,
        CASE
            WHEN NOT coalesce(invoice.has_files, FALSE) AND invoice.reverses_invoice_number IS NULL THEN 'document_without_files'
            WHEN
                invoice.stated_tax_amount IS NULL
                AND taxed.taxed_lines > 0
                AND abs(units18(proofs.header_gap_amount)) <= taxed.taxed_lines * one_minor_unit18($minor_decimals)
                THEN 'header_differs_from_lines_as_rounded_taxes_may'
            ELSE 'header_differs_from_lines'
        END AS reason,
        TRUE AS is_header_gap
    FROM proofs
    LEFT JOIN cost.invoices AS invoice ON proofs.provider = invoice.provider AND proofs.invoice_number = invoice.invoice_number
    LEFT JOIN (
        SELECT
            provider,
            invoice_number,
            count(*) AS taxed_lines
        FROM lines
        WHERE coalesce(tax_amount, 0) <> 0
        GROUP BY ALL
    ) AS taxed ON proofs.provider = taxed.provider AND proofs.invoice_number = taxed.invoice_number
    WHERE proofs.header_gap_amount <> 0
)

SELECT
    $billing_month AS billing_month,
    $currency AS currency,
    *
FROM found
