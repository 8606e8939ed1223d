"""What conda means by its words: versions and their order, match specs, virtual packages. Pure, no IO, no dependency.

The format is that of conda enhancement proposals 29 (match specs), 30 (virtual packages) and 33 (version literals); where
these leave something open, it is read as conda reads it.
"""
