-- Every contract line with the cycles of its calendar; `calendar_cycles` holds each different calendar once.
SELECT
    terms.contract_line_id,
    terms.account_id,
    cycle.cycle_start_on,
    cycle.cycle_end_on,
    cycle.full_cycle_start_on,
    cycle.full_cycle_end_on,
    cycle.full_cycle_end_on - cycle.full_cycle_start_on + 1 AS full_cycle_days,
    cycle.invoice_month,
    cycle.counts_as_issued
FROM billing.contract_terms AS terms
INNER JOIN calendar_cycles AS cycle
    ON
        terms.charges_start_on = cycle.starts_on
        AND cycle.ends_on IS NOT DISTINCT FROM terms.ends_on
        AND terms.anchor_day = cycle.anchor_day
        AND terms.months_per_cycle = cycle.months_per_cycle
        AND terms.billing_timing = cycle.billing_timing
        AND cycle.price_changes_on IS NOT DISTINCT FROM terms.price_changes_on
