"""How deep JSON must be nested for every Python to refuse it. CPython 3.11 takes 1,000 levels, 3.12 and 3.13
take 10,000, later ones what the thread's stack holds, some 260,000 in 8 MB."""

DEPTH = 1_000_000
