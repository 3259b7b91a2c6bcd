-- The amounts staged of an invoice's file are those of the file less those of its quarantined rows.
SELECT
    invoice_number || ' in ' || source_file || ' (' || left(file_sha256, 12) || ')' AS subject,
    amount_file || ' ' || coalesce(currency, '') || ' less ' || coalesce(amount_quarantined, 0) || ' quarantined' AS expected,
    CAST(amount_staged AS VARCHAR) AS found
FROM meta.file_invoices
WHERE amount_staged <> amount_file - coalesce(amount_quarantined, 0)
ORDER BY abs(amount_file - coalesce(amount_quarantined, 0) - amount_staged) DESC, subject
