-- Exact arithmetic on integers. A unit is 1E-10 of a currency unit (units10), or 1E-18, the last digit received (units18).
-- DECIMAL(38,18) x DECIMAL(38,18) overflows and DECIMAL / DECIMAL is a double, hence whole numbers (HUGEINT) throughout.

-- An amount as a whole number of 1E-10, rounded half away from zero. Holds |amount| < 1E18.
CREATE OR REPLACE TEMP MACRO units10(amount) AS
    CAST(CAST(amount AS DECIMAL(38, 10)) * 10000000000 AS HUGEINT);

-- An amount as a whole number of 1E-18, exactly. Holds |amount| < 1E20. Read from its digits: DuckDB's cast of a decimal to an
-- integer divides 128-bit numbers, which takes four times as long.
CREATE OR REPLACE TEMP MACRO units18(amount) AS
    CAST(replace(CAST(CAST(amount AS DECIMAL(38, 18)) AS VARCHAR), '.', '') AS HUGEINT);

-- A whole number of 1E-10 as DECIMAL(38,10).
CREATE OR REPLACE TEMP MACRO from_units10(units) AS
    CAST(CAST(units AS DECIMAL(38, 0)) * CAST('0.0000000001' AS DECIMAL(11, 10)) AS DECIMAL(38, 10));

-- numerator / denominator as a whole number, rounded half away from zero. Holds |2 x numerator| < 1.7E38.
CREATE OR REPLACE TEMP MACRO divide_half_away(numerator, denominator) AS
    sign(numerator) * sign(denominator)
    * ((2 * abs(numerator) + abs(denominator)) // nullif(2 * abs(denominator), 0));

-- Of `units` spread evenly over `days` days (largest remainder, the earliest days take what is left over),
-- the part of the first `first_days` days. Sign restored.
CREATE OR REPLACE TEMP MACRO first_days_units(units, days, first_days) AS
    sign(units) * ((abs(units) // days) * first_days + least(abs(units) % days, first_days));

-- An identifier as it is compared: without an "org:" prefix, blanks and case; NULL when blank. Tables keep it as sent.
CREATE OR REPLACE TEMP MACRO id_key(id) AS
    nullif(regexp_replace(lower(trim(id)), '^org:', ''), '');

-- The order of a reservation or savings plan as it is compared: the GUID in it, as lines write one before it; else as sent.
CREATE OR REPLACE TEMP MACRO benefit_key(id) AS
    coalesce(nullif(regexp_extract(lower(id), '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'), ''), nullif(lower(trim(id)), ''));

-- The text of a DECIMAL(38,18) as a BIGINT of 1E-10 when it is one (|amount| < 1E7, no digit beyond the tenth decimal), else NULL.
CREATE OR REPLACE TEMP MACRO short_units10(digits) AS
    CASE WHEN length(digits) <= 27 AND right(digits, 8) = '00000000' THEN CAST(replace(left(digits, -8), '.', '') AS BIGINT) END;

-- A whole number of 1E-18 as DECIMAL(38,18). Holds |units| < 1E38.
CREATE OR REPLACE TEMP MACRO from_units18(units) AS
    CAST(CAST(units AS DECIMAL(38, 0)) * CAST('0.000000000000000001' AS DECIMAL(19, 18)) AS DECIMAL(38, 18));

-- amount x percent / (100 - percent), the credit inside a net amount, in units of 1E-10, rounded half away from zero.
-- `percent4` is the percentage x 10,000 as BIGINT. Holds |amount| < 1E11.
CREATE OR REPLACE TEMP MACRO credit_units10(amount, percent4) AS
    divide_half_away(units18(amount) * percent4, CAST(1000000 - percent4 AS HUGEINT) * 100000000);

-- The same for an amount given as BIGINT of 1E-10 and a fraction with a numerator of at most 4 (15 / 85 is 3 / 17).
CREATE OR REPLACE TEMP MACRO short_credit_units10(units, percent4) AS
    divide_half_away(
        units * (percent4 // gcd(percent4, 1000000 - percent4)), (1000000 - percent4) // gcd(percent4, 1000000 - percent4)
    );

-- amount x rate without the digits below 1E-18, in units of 1E-18, and those digits in units of 1E-36; both carry the sign
-- of the product. Holds |amount x rate| < 1E11, |amount| < 1E11, |rate| < 1E20.
CREATE OR REPLACE TEMP MACRO product_units18(amount_units18, rate_units18) AS
    (amount_units18 * (rate_units18 // 1000000000) + (amount_units18 * (rate_units18 % 1000000000)) // 1000000000) // 1000000000;
CREATE OR REPLACE TEMP MACRO product_units36(amount_units18, rate_units18) AS
    ((amount_units18 * (rate_units18 // 1000000000) + (amount_units18 * (rate_units18 % 1000000000)) // 1000000000) % 1000000000)
    * 1000000000
    + (amount_units18 * (rate_units18 % 1000000000)) % 1000000000;

-- Whole units of 1E-18 and a rest of units of 1E-36 (|rest| < 1E36) as DECIMAL(38,10), rounded half away from zero once.
CREATE OR REPLACE TEMP MACRO round_units18(units, rest) AS
    from_units10(
        divide_half_away(
            2 * (units + rest // 1000000000000000000) + sign(rest % 1000000000000000000), CAST(200000000 AS HUGEINT)
        )
    );

-- trunc(trunc2(amount) x rate) to a currency's minor unit, in minor units, as Microsoft publishes it for consumption lines.
CREATE OR REPLACE TEMP MACRO usage_line_minor_units(amount_units18, rate_units18, decimals) AS
    ((amount_units18 // 10000000000000000) * rate_units18) // CAST('1' || repeat('0', 20 - decimals) AS HUGEINT);

-- amount x rate x other_rate without the digits below 1E-18, in units of 1E-18; for whole numbers that are not negative. Holds what
-- product_units18 holds, for each product.
CREATE OR REPLACE TEMP MACRO double_product_units18(amount_units18, rate_units18, other_rate_units18) AS
    product_units18(product_units18(amount_units18, rate_units18), other_rate_units18)
    + (
        product_units36(product_units18(amount_units18, rate_units18), other_rate_units18)
        + product_units18(product_units36(amount_units18, rate_units18), other_rate_units18)
    ) // 1000000000000000000;

-- One minor unit of a currency in units of 1E-18.
CREATE OR REPLACE TEMP MACRO one_minor_unit18(decimals) AS
    CAST('1' || repeat('0', 18 - decimals) AS HUGEINT);

-- An amount in units of 1E-18 that is not negative as whole minor units of a currency, cut or rounded half up.
CREATE OR REPLACE TEMP MACRO cut_minor_units(units, decimals) AS
    units // one_minor_unit18(decimals);
CREATE OR REPLACE TEMP MACRO half_up_minor_units(units, decimals) AS
    (units + one_minor_unit18(decimals) // 2) // one_minor_unit18(decimals);

-- Whether |net - amount x rate| is more than 0.000001, exactly. Holds |net|, |amount x rate|, |amount| < 1E11.
CREATE OR REPLACE TEMP MACRO product_differs(net, amount, rate_units18) AS
    abs(units18(net) - product_units18(units18(amount), rate_units18)) > 1000000000000
    OR (
        abs(units18(net) - product_units18(units18(amount), rate_units18)) = 1000000000000
        AND sign(units18(net) - product_units18(units18(amount), rate_units18)) * product_units36(units18(amount), rate_units18) < 0
    );

-- The length of a text that another text holds, else 0.
CREATE OR REPLACE TEMP MACRO text_found(whole, part) AS
    CASE WHEN coalesce(part, '') <> '' AND contains(whole, part) THEN length(part) ELSE 0 END;

-- First and last day of a provider line's service: the start of the charge, else the order, else the document's month; a
-- charge without a start, or that ends before it, is one day.
CREATE OR REPLACE TEMP MACRO service_starts_on(charge_start_on, order_on, billing_month) AS
    coalesce(charge_start_on, order_on, CAST(billing_month || '-01' AS DATE));

CREATE OR REPLACE TEMP MACRO service_ends_on(charge_start_on, charge_end_on, order_on, billing_month) AS
    CASE
        WHEN charge_end_on > charge_start_on THEN charge_end_on
        ELSE service_starts_on(charge_start_on, order_on, billing_month)
    END;

-- The last day of a period as a file states it; the year 9999 stands for none, as 0001 does for a start.
CREATE OR REPLACE TEMP MACRO stated_end(end_on) AS
    CASE WHEN year(end_on) < 9999 THEN end_on END;

-- Whether a product is the Azure plan: by its product id, else by its name, which an offer may qualify (- DevTest).
CREATE OR REPLACE TEMP MACRO is_azure_plan(product_id, product_name) AS
    coalesce(upper(trim(product_id)) = 'DZH318Z0BPS6', FALSE)
    OR coalesce(regexp_full_match(lower(trim(product_name)), 'azure plan(\s*[-(:].*|\s+(for\s+)?dev\s*/?\s*test)?'), FALSE);

-- Who sent a file of a kind.
CREATE OR REPLACE TEMP MACRO provider_of(kind) AS
    CASE WHEN starts_with(kind, 'distributor_') THEN substr(kind, 13) ELSE 'microsoft' END;

-- What a provider line is for, first match: Azure plan (its product, or usage behind the line), savings plan, reservation,
-- marketplace, software, licence.
CREATE OR REPLACE TEMP MACRO family_of(has_usage, product_id, product_name, sku_name, reservation_order_id, publisher_name, category_and_term) AS
    CASE
        WHEN has_usage OR is_azure_plan(product_id, product_name) THEN 'azure_plan'
        WHEN upper(trim(product_id)) = 'MS-AZR-0145P' THEN 'azure_legacy'
        WHEN
            coalesce(trim(reservation_order_id), '') <> ''
            AND contains(lower(concat_ws(' ', product_name, sku_name)), 'savings plan') THEN 'savings_plan'
        WHEN coalesce(trim(reservation_order_id), '') <> '' THEN 'reservation'
        WHEN coalesce(trim(publisher_name), '') <> '' AND lower(trim(publisher_name)) NOT LIKE 'microsoft%' THEN 'marketplace'
        WHEN regexp_matches(lower(coalesce(category_and_term, '')), 'perpetual|software\s*[-_]?\s*subscription') THEN 'software'
        ELSE 'licence'
    END;

-- A part of an amount as a percentage with 4 decimals; NULL of nothing.
CREATE OR REPLACE TEMP MACRO margin_percent_of(part, whole) AS
    CAST(
        CAST(divide_half_away(units10(part) * 1000000, units10(whole)) AS DECIMAL(18, 0)) * CAST('0.0001' AS DECIMAL(5, 4))
        AS DECIMAL(18, 4)
    );

-- A line's quantity with the sign of its subtotal, of its price where that is 0, as sent where both are.
CREATE OR REPLACE TEMP MACRO signed_quantity(quantity, subtotal, price) AS
    CASE
        WHEN coalesce(subtotal, 0) <> 0 THEN abs(quantity) * CAST(sign(subtotal) AS DECIMAL(1, 0))
        WHEN coalesce(price, 0) <> 0 THEN abs(quantity) * CAST(sign(price) AS DECIMAL(1, 0))
        ELSE quantity
    END;

-- A field of a JSON object in text, under its API name or with a capital; NULL where the text is no JSON.
CREATE OR REPLACE TEMP MACRO json_field(document, name) AS
    CASE WHEN json_valid(document) THEN coalesce(
        json_extract_string(document, '$.' || upper(left(name, 1)) || substr(name, 2)),
        json_extract_string(document, '$.' || lower(left(name, 1)) || substr(name, 2))
    ) END;

-- 10 to a whole power of 0 to 18.
CREATE OR REPLACE TEMP MACRO power_of_ten(exponent) AS
    CAST(rpad('1', CAST(exponent AS INTEGER) + 1, '0') AS HUGEINT);

-- A decimal as text without zeros at its end: 10.50 is 10.5, 100.00 is 100.
CREATE OR REPLACE TEMP MACRO trim_number(number) AS
    rtrim(rtrim(CAST(CAST(number AS DECIMAL(38, 10)) AS VARCHAR), '0'), '.');
