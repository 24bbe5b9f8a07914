-- The latest change seen in each table that has a history; NULL where it is empty.
SELECT MAX(COALESCE(updated_at, created_at)) AS changed_at FROM booking
UNION ALL
SELECT MAX(COALESCE(updated_at, created_at)) AS changed_at FROM assignment
UNION ALL
SELECT MAX(COALESCE(completed_at, started_at)) AS changed_at FROM dispatch_run
