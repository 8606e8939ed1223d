"""Carrying a plan out: the state of before is kept first, every step is looked at, and there is a way back (decision 007).

The only part of envdoctor that changes a target.
"""
