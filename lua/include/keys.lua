-- P: base of Bull's own keys ("bull:orders:"); X: base of our extra records ("bull::x:orders::").
local P, X = KEYS[1], KEYS[2]
