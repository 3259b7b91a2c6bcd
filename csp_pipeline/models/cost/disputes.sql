-- What is disputed with a provider, beside what the proof of the document says now; it changes no figure of the proof.
WITH disputed AS (
    SELECT
        *,
        lower(coalesce(provider, 'microsoft')) AS provider_key,
        upper(trim(invoice_number)) AS number_key
    FROM reference.provider_disputes
)

SELECT
    coalesce(invoice.provider, disputed.provider_key) AS provider,
    coalesce(invoice.invoice_number, disputed.invoice_number) AS invoice_number,
    invoice.billing_month,
    disputed.case_number,
    disputed.opened_on,
    coalesce(disputed.state, 'open') AS state,
    disputed.customer_id,
    disputed.line_id,
    disputed.amount AS disputed_amount,
    disputed.currency,
    proof.unexplained_amount,
    proof.currency AS proof_currency,
    proof.proof_state,
    customer.usage_gap_amount AS customer_gap_amount,
    line.subtotal_amount AS line_amount,
    line.source_file,
    line.source_row,
    CASE
        WHEN invoice.invoice_number IS NULL THEN 'document'
        WHEN disputed.line_id IS NOT NULL AND line.line_id IS NULL THEN 'line'
        WHEN disputed.line_id IS NULL AND disputed.customer_id IS NOT NULL AND customer.invoice_number IS NULL THEN 'customer'
    END AS not_found,
    disputed.note
FROM disputed
LEFT JOIN cost.invoices AS invoice
    ON lower(invoice.provider) = disputed.provider_key AND upper(trim(invoice.invoice_number)) = disputed.number_key
LEFT JOIN cost.invoice_proof AS proof ON invoice.provider = proof.provider AND invoice.invoice_number = proof.invoice_number
LEFT JOIN cost.customer_proof AS customer
    ON
        invoice.provider = customer.provider
        AND invoice.invoice_number = customer.invoice_number
        AND id_key(disputed.customer_id) = id_key(customer.customer_id)
LEFT JOIN cost.invoice_lines AS line
    ON
        NOT line.is_estimate
        AND disputed.line_id = line.line_id
        AND invoice.provider = line.provider
        AND invoice.invoice_number = line.invoice_number
