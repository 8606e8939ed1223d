"""PTH: paths, and what leaks in through them."""
