"""What networks learn: `python -m bench.tasks` from the root of the checkout; see README.md."""
