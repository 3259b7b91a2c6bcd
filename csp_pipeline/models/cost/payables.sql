-- The provider's documents by the day they are to be paid: the one a header states, else 60 days after Microsoft's date. A voided
-- document and its note stand both: they add up to nothing.
WITH headers AS (
    SELECT
        upper(trim(invoice_number)) AS number_key,
        max(paid_amount) AS paid_amount
    FROM staged_invoice_headers
    GROUP BY number_key
)

SELECT
    invoice.provider,
    invoice.invoice_number,
    invoice.document_type,
    invoice.state,
    invoice.billing_month,
    invoice.issued_on,
    coalesce(invoice.due_on, CASE WHEN invoice.provider = 'microsoft' THEN invoice.issued_on + 60 END) AS due_on,
    invoice.due_on IS NULL AND invoice.issued_on IS NOT NULL AND invoice.provider = 'microsoft' AS is_due_on_inferred,
    invoice.currency,
    invoice.total_amount,
    headers.paid_amount,
    invoice.total_amount - coalesce(headers.paid_amount, 0) AS open_amount,
    proof.proof_state
FROM cost.invoices AS invoice
LEFT JOIN headers ON invoice.provider = 'microsoft' AND headers.number_key = upper(trim(invoice.invoice_number))
LEFT JOIN cost.invoice_proof AS proof ON invoice.provider = proof.provider AND invoice.invoice_number = proof.invoice_number
