"""What a training leaves behind: its history, and checkpoints to resume from."""
