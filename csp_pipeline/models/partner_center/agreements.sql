-- Agreements as the latest snapshot of each customer lists them, each once; and what customers signed with Microsoft itself. Of
-- that only the fact is told, so its day is that of the first snapshot that tells it.
WITH listed AS (
    SELECT
        *,
        id_key(customer_id) AS customer
    FROM staged_agreements
    WHERE id_key(customer_id) IS NOT NULL
    QUALIFY snapshot_on IS NOT DISTINCT FROM max(snapshot_on) OVER (PARTITION BY customer)
)

SELECT
    min(customer_id) AS customer_id,
    agreement_type,
    template_id,
    date_agreed AS agreed_on,
    signer_name,
    method,
    max(snapshot_on) AS snapshot_on
FROM listed
GROUP BY customer, agreement_type, template_id, date_agreed, signer_name, method
UNION ALL
SELECT
    min(customer_id) AS customer_id,
    'MicrosoftCustomerAgreement' AS agreement_type,
    NULL AS template_id,
    min(snapshot_on) FILTER (WHERE is_signed) AS agreed_on,
    NULL AS signer_name,
    'direct_signed' AS method,
    max(snapshot_on) AS snapshot_on
FROM staged_direct_signed
WHERE id_key(customer_id) IS NOT NULL
GROUP BY id_key(customer_id)
HAVING arg_max(is_signed, (snapshot_on, scan_number, file_sha256, source_row))
