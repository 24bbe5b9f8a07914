-- The latest change seen in each table that has a history; NULL where it has none. A row never updated changed when it
-- was created. Asked apart, so that an index on updated_at can answer both.
SELECT MAX(updated_at) AS changed_at FROM booking
UNION ALL
SELECT MAX(created_at) AS changed_at FROM booking WHERE updated_at IS NULL
UNION ALL
SELECT MAX(updated_at) AS changed_at FROM assignment
UNION ALL
SELECT MAX(created_at) AS changed_at FROM assignment WHERE updated_at IS NULL
UNION ALL
SELECT MAX(completed_at) AS changed_at FROM dispatch_run
UNION ALL
SELECT MAX(started_at) AS changed_at FROM dispatch_run
