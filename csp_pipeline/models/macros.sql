-- Exact arithmetic on integers. A unit is 1E-10 of a currency unit (units10), or 1E-18, the last digit received (units18).
-- DECIMAL(38,18) x DECIMAL(38,18) overflows and DECIMAL / DECIMAL is a double, hence whole numbers (HUGEINT) throughout.

-- An amount as a whole number of 1E-10, rounded half away from zero. Holds |amount| < 1E18.
CREATE OR REPLACE TEMP MACRO units10(amount) AS
    CAST(CAST(amount AS DECIMAL(38, 10)) * 10000000000 AS HUGEINT);

-- An amount as a whole number of 1E-18, exactly. Holds |amount| < 1E20.
CREATE OR REPLACE TEMP MACRO units18(amount) AS
    CAST(trunc(CAST(amount AS DECIMAL(38, 18))) AS HUGEINT) * 1000000000000000000
    + CAST(CAST(CAST(amount AS DECIMAL(38, 18)) - trunc(CAST(amount AS DECIMAL(38, 18))) AS DECIMAL(38, 18)) * 1000000000000000000 AS HUGEINT);

-- A whole number of 1E-10 as DECIMAL(38,10).
CREATE OR REPLACE TEMP MACRO from_units10(units) AS
    CAST(CAST(units AS DECIMAL(38, 0)) * CAST('0.0000000001' AS DECIMAL(11, 10)) AS DECIMAL(38, 10));

-- numerator / denominator as a whole number, rounded half away from zero. Holds |2 x numerator| < 1.7E38.
CREATE OR REPLACE TEMP MACRO divide_half_away(numerator, denominator) AS
    sign(numerator) * sign(denominator)
    * ((2 * abs(numerator) + abs(denominator)) // nullif(2 * abs(denominator), 0));

-- units x weight // total for non-negative whole numbers, by long division so that the product never overflows.
CREATE OR REPLACE TEMP MACRO share_floor(units, weight, total) AS
    (((units // 1000000000) * weight) // total) * 1000000000
    + ((((units // 1000000000) * weight) % total) * 1000000000 + (units % 1000000000) * weight) // total;

-- The remainder that share_floor leaves, 0 <= remainder < total.
CREATE OR REPLACE TEMP MACRO share_remainder(units, weight, total) AS
    ((((units // 1000000000) * weight) % total) * 1000000000 + (units % 1000000000) * weight) % total;

-- Of `units` spread evenly over `days` days (largest remainder, the earliest days take what is left over),
-- the part of the first `first_days` days. Sign restored.
CREATE OR REPLACE TEMP MACRO first_days_units(units, days, first_days) AS
    sign(units) * ((abs(units) // days) * first_days + least(abs(units) % days, first_days));

-- An amount rounded half away from zero to the decimals of a currency's minor unit (0 to 4).
CREATE OR REPLACE TEMP MACRO round_to_minor_unit(amount, decimals) AS
    CASE decimals
        WHEN 0 THEN CAST(CAST(CAST(amount AS DECIMAL(38, 18)) AS DECIMAL(38, 0)) AS DECIMAL(38, 10))
        WHEN 1 THEN CAST(CAST(CAST(amount AS DECIMAL(38, 18)) AS DECIMAL(38, 1)) AS DECIMAL(38, 10))
        WHEN 2 THEN CAST(CAST(CAST(amount AS DECIMAL(38, 18)) AS DECIMAL(38, 2)) AS DECIMAL(38, 10))
        WHEN 3 THEN CAST(CAST(CAST(amount AS DECIMAL(38, 18)) AS DECIMAL(38, 3)) AS DECIMAL(38, 10))
        WHEN 4 THEN CAST(CAST(CAST(amount AS DECIMAL(38, 18)) AS DECIMAL(38, 4)) AS DECIMAL(38, 10))
    END;
