"""Run folders: what they hold, what they may come to hold, and whether it is this run's."""
