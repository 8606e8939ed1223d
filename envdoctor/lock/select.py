"""What a lock installs: on which platform, for which groups and extras."""
