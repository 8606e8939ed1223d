"""GPU: accelerators, their drivers and libraries, and what was built for them."""
