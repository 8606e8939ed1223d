"""LIB: shared libraries, symbols and ABIs, by what the dynamic loader would do."""
