SELECT source.name, COUNT(*)
FROM house
JOIN source ON source.id = house.source
GROUP BY source.id
ORDER BY source.id
