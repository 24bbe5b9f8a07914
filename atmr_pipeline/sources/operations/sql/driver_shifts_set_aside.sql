-- A shift without a start belongs to no day: counted over the whole table.
SELECT COUNT(*) AS start_missing FROM driver_shift WHERE start_local IS NULL
