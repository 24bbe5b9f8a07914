-- Running totals of the trips that one part of the decisions may look back on. A window is the difference of two totals,
-- so where the trips begin does not matter. Sums are over integers: the same bits whatever the order of rows.
CREATE OR REPLACE TEMP TABLE driver_total AS
SELECT
    driver_id,
    known_utc,
    SUM(CAST(COUNT(*) AS BIGINT)) OVER so_far AS trips,
    SUM(CAST(COUNT(*) FILTER (delay_us <= $late_after_min * 60000000) AS BIGINT)) OVER so_far AS punctual,
    SUM(CAST(SUM(delay_us) AS BIGINT)) OVER so_far AS delay_us,
    SUM(CAST(COUNT(*) FILTER (is_plain_outbound) AS BIGINT)) OVER so_far AS outbound_trips,
    SUM(CAST(COALESCE(SUM(least(greatest(delay_us, -$typical_delay_limit_min * 60000000),
        $typical_delay_limit_min * 60000000)) FILTER (is_plain_outbound), 0) AS BIGINT)) OVER so_far AS outbound_us
FROM trip
WHERE driver_id IS NOT NULL AND delay_us IS NOT NULL AND known_utc > $known_after AND known_utc < $known_before
GROUP BY driver_id, known_utc
WINDOW so_far AS (PARTITION BY driver_id ORDER BY known_utc);

CREATE OR REPLACE TEMP TABLE traffic_total AS
SELECT
    local_hour,
    is_weekend,
    known_utc,
    SUM(CAST(SUM(CAST(round(ride_us / 60e6 / (60 * leg_km / $free_flow_speed_kmh) * 1e6) AS BIGINT)) AS BIGINT))
        OVER so_far AS ratio_millionths,
    SUM(CAST(SUM(CAST(round(leg_km * 1000) AS BIGINT)) AS BIGINT)) OVER so_far AS metres,
    SUM(CAST(SUM(ride_us) AS BIGINT)) OVER so_far AS ride_us,
    SUM(CAST(COUNT(*) AS BIGINT)) OVER so_far AS rides
FROM trip
WHERE leg_km >= $min_traffic_km AND known_utc > $known_after AND known_utc < $known_before
GROUP BY local_hour, is_weekend, known_utc
WINDOW so_far AS (PARTITION BY local_hour, is_weekend ORDER BY known_utc);
