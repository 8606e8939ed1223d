"""SYS: limits of the machine that end a training run."""
