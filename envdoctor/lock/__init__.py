"""Lockfiles: one model (:mod:`.model`), one module a format (:mod:`.formats`), what a lock installs (:mod:`.select`), makers.

Reading is pure: bytes in, facts out; ``envdoctor.collect.locks`` does the IO. Nothing heavy is imported for it.
"""
