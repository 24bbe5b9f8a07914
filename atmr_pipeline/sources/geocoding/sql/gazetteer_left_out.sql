SELECT input, reason, rows
FROM left_out
ORDER BY input, reason
