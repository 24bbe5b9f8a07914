SELECT position, file, sha256, layout, coordinates, attribution, rows_read, rows_kept
FROM input
ORDER BY position
