"""The history of a training, and checkpoints to resume it from."""
