"""What a training reads: batches, targets, and the sources of batches."""
