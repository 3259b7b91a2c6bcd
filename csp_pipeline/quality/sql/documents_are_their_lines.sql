-- A customer document is the sum of its lines and its tax, and its balance is what payments leave open.
WITH summed AS (
    SELECT
        invoice_id,
        sum(net_amount) AS net_amount
    FROM billing.invoice_lines
    GROUP BY ALL
)

SELECT
    coalesce(document.invoice_number, document.state || ' ' || document.invoice_id, 'lines of ' || line.invoice_id) AS subject,
    coalesce(line.net_amount, 0) || ' on its lines, ' || coalesce(document.net_amount + document.tax_amount, 0) || ' with tax, '
    || coalesce(document.gross_amount - document.paid_amount, 0) || ' open' AS expected,
    coalesce(document.net_amount, 0) || ' net, ' || coalesce(document.gross_amount, 0) || ' gross, '
    || coalesce(document.balance_amount, 0) || ' balance' AS found
FROM billing.invoices AS document
FULL JOIN summed AS line ON document.invoice_id = line.invoice_id
WHERE
    document.net_amount IS DISTINCT FROM line.net_amount
    OR document.gross_amount <> document.net_amount + document.tax_amount
    OR document.balance_amount <> document.gross_amount - document.paid_amount
ORDER BY abs(coalesce(document.net_amount, 0) - coalesce(line.net_amount, 0)) DESC, subject
