-- Plans of a day before first_day or from after_day on; a plan without a day is schema drift.
SELECT COUNT(*) AS day_out_of_range FROM dispatch_run WHERE day < :first_day OR day >= :after_day
