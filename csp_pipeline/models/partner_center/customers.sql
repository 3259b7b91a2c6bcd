-- Customers as the snapshots list them and as the provider's lines name them; the latest word counts.
WITH lines AS (
    SELECT
        id_key(customer_id) AS customer,
        coalesce(charge_start_date, order_date) AS seen_on,
        *
    FROM staged_reconciliation
    WHERE id_key(customer_id) IS NOT NULL
),

billed AS (
    SELECT
        customer,
        arg_max(customer_id, (seen_on, customer_id)) AS customer_id,
        arg_max(partner_id, (seen_on, partner_id)) FILTER (WHERE partner_id IS NOT NULL) AS partner_id,
        arg_max(customer_name, (seen_on, customer_name)) FILTER (WHERE customer_name IS NOT NULL) AS name,
        arg_max(customer_domain_name, (seen_on, customer_domain_name)) FILTER (WHERE customer_domain_name IS NOT NULL) AS domain,
        arg_max(customer_country, (seen_on, customer_country)) FILTER (WHERE customer_country IS NOT NULL) AS country_code,
        CAST(date_trunc('month', min(seen_on)) AS DATE) AS first_seen_on,
        last_day(max(seen_on)) AS last_seen_on
    FROM lines
    GROUP BY customer
),

snapshots AS (
    SELECT
        id_key(customer_id) AS customer,
        arg_max(customer_id, (snapshot_on, scan_number, file_sha256, source_row)) AS customer_id,
        arg_max(name, (snapshot_on, scan_number, file_sha256, source_row)) FILTER (WHERE name IS NOT NULL) AS name,
        arg_max(domain, (snapshot_on, scan_number, file_sha256, source_row)) FILTER (WHERE domain IS NOT NULL) AS domain,
        arg_max(country_code, (snapshot_on, scan_number, file_sha256, source_row)) FILTER (WHERE country_code IS NOT NULL) AS country_code,
        min(snapshot_on) AS first_seen_on,
        max(snapshot_on) AS last_seen_on
    FROM staged_customers
    WHERE id_key(customer_id) IS NOT NULL
    GROUP BY customer
),

accepted AS (
    SELECT
        id_key(customer_id) AS customer,
        agreed_on,
        signer_name,
        method
    FROM partner_center.agreements
    WHERE regexp_replace(lower(agreement_type), '[^a-z]', '', 'g') = 'microsoftcustomeragreement' AND agreed_on IS NOT NULL
    QUALIFY
        row_number() OVER (PARTITION BY customer ORDER BY method = 'direct_signed', agreed_on DESC, signer_name, method) = 1
),

partner AS (
    SELECT mode(partner_id) AS partner_id
    FROM billed
)

SELECT
    coalesce(billed.partner_id, (SELECT partner.partner_id FROM partner)) AS partner_id,
    coalesce(snapshots.customer_id, billed.customer_id) AS customer_id,
    coalesce(snapshots.name, billed.name) AS name,
    coalesce(snapshots.domain, billed.domain) AS domain,
    coalesce(snapshots.country_code, billed.country_code) AS country_code,
    accepted.agreed_on AS mca_accepted_on,
    accepted.signer_name AS mca_signer_name,
    accepted.method AS mca_method,
    least(snapshots.first_seen_on, billed.first_seen_on) AS first_seen_on,
    greatest(snapshots.last_seen_on, billed.last_seen_on) AS last_seen_on
FROM snapshots
FULL JOIN billed ON snapshots.customer = billed.customer
LEFT JOIN accepted ON accepted.customer = coalesce(snapshots.customer, billed.customer)
