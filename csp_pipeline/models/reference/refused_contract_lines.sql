-- Contract lines that ask for something that is not charged yet, or that contradict themselves; one row per column.
WITH lines AS (
    SELECT
        *,
        pricing_model = 'cost_plus' AS is_cost_plus,
        coalesce(billing_cycle, 'monthly') AS cycle,
        coalesce(anchor_day, 1) AS anchor,
        coalesce(cost_source, 'provider') AS origin
    FROM reference.contract_lines
),

findings AS (
    SELECT
        *,
        unnest([
            {
                'column_name': 'pricing_model',
                'is_met': pricing_model IN ('graduated', 'volume', 'package'),
                'reason': 'pricing_model ' || pricing_model || ' is not charged yet'
            },
            {
                'column_name': 'anchor_day',
                'is_met': is_cost_plus AND anchor <> 1,
                'reason': 'cost_plus is charged by calendar month, anchor_day ' || anchor || ' cannot be used'
            },
            {
                'column_name': 'billing_cycle',
                'is_met': is_cost_plus AND cycle <> 'monthly',
                'reason': 'cost_plus is charged by calendar month, billing_cycle ' || cycle || ' cannot be used'
            },
            {
                'column_name': 'cost_source',
                'is_met': is_cost_plus AND origin IN ('own', 'none'),
                'reason': 'cost_plus needs provider cost, cost_source ' || origin || ' has none'
            },
            {
                'column_name': 'minimum_amount',
                'is_met': minimum_amount IS NOT NULL,
                'reason': 'a minimum is not charged yet'
            },
            {
                'column_name': 'maximum_amount',
                'is_met': maximum_amount IS NOT NULL,
                'reason': 'a maximum is not applied yet'
            },
            {
                'column_name': 'discount_amount',
                'is_met': discount_amount IS NOT NULL,
                'reason': 'a discount by amount is not applied yet'
            },
            { 'column_name': 'trial_ends_on', 'is_met': trial_ends_on IS NOT NULL, 'reason': 'a trial is not applied yet' },
            { 'column_name': 'bundle_id', 'is_met': bundle_id IS NOT NULL, 'reason': 'a bundle is not charged yet' }
        ]) AS finding
    FROM lines
)

SELECT
    findings.contract_line_id,
    finding.column_name,
    findings.source_file || ', line ' || findings.source_row || ', column ' || finding.column_name || ': ' || finding.reason
    || '; contract line ' || findings.contract_line_id || ' is not charged.' AS message,
    findings.source_file,
    findings.source_row
FROM findings
WHERE finding.is_met
