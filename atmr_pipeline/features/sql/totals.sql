-- Running totals of the trips, by when each was known. A window is the difference of two totals, so where the trips begin
-- does not matter. Trips known at one instant share a total (the frame is by value), and every summand is a whole number
-- far below 2^53, so sums of doubles are exact: the same bits whatever the order of rows, at half the time of integers.
CREATE TEMP TABLE driver_total AS
SELECT
    driver_id,
    known_utc,
    CAST(COUNT(*) OVER so_far AS DOUBLE) AS trips,
    SUM(CAST(delay_ms <= $late_after_min * 60000 AS DOUBLE)) OVER so_far AS punctual,
    SUM(delay_ms) OVER so_far AS delay_ms,
    SUM(CAST(is_plain_outbound AS DOUBLE)) OVER so_far AS outbound_trips,
    SUM(CASE
        WHEN is_plain_outbound
        THEN least(greatest(delay_ms, -$typical_delay_limit_min * 60000), $typical_delay_limit_min * 60000)
        ELSE 0
    END) OVER so_far AS outbound_ms
FROM trip
WHERE driver_id IS NOT NULL AND delay_ms IS NOT NULL
WINDOW so_far AS (PARTITION BY driver_id ORDER BY known_utc);

CREATE TEMP TABLE traffic_total AS
SELECT
    local_hour,
    is_weekend,
    known_utc,
    CAST(COUNT(*) OVER so_far AS DOUBLE) AS rides,
    SUM(round(ride_ms / 60e3 / (60 * leg_km / $free_flow_speed_kmh) * 1e6)) OVER so_far AS ratio_millionths,
    SUM(round(leg_km * 1000)) OVER so_far AS metres,
    SUM(ride_ms) OVER so_far AS ride_ms
FROM trip
WHERE leg_km >= $min_traffic_km
WINDOW so_far AS (PARTITION BY local_hour, is_weekend ORDER BY known_utc);
