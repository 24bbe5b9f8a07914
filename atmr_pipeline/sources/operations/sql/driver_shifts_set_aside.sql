-- A shift without a start, or with one that no calendar day holds, belongs to no day: counted over the whole table.
SELECT
    COUNT(*) - COUNT(start_local) AS start_missing,
    COUNT(start_local) AS start_out_of_range
FROM driver_shift
WHERE start_local IS NULL OR NOT (start_local >= :first_day AND start_local < :after_day)
