"""``envdoctor lock``: locks are made here. ``run`` decides which maker; makers do IO, everything else below lock/ is pure."""

from __future__ import annotations

from envdoctor.lock.make.options import Options


def run(options: Options) -> int:
    """Makes the lock that `options` ask for; 0 when it is made (or, with ``dry_run``, could be), 1 when its check finds errors.

    Raises MakeError (a UsageError) with the old lock untouched.
    """
    if options.freeze:
        from envdoctor.lock.make import freeze

        return freeze.run(options)
    from envdoctor.lock.make import choose

    return choose.run(options)
