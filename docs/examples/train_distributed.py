"""Trains a speaker classifier on several processes with PyTorch's DistributedDataParallel.

    torchrun --nproc-per-node=2 train_distributed.py --output weights.pt

Each process computes the gradients of its share of every batch, and gloo averages them. The result
is that of one process, up to the rounding of a sum in another order.
"""

import argparse
import gc

import peephole.torch
import torch
from peephole import datasets
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils.rnn import pack_sequence


class Classifier(nn.Module):
    """Scores of the 9 speakers, from the last state of an LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = peephole.torch.LSTM(12, 32, dtype=torch.float64)
        self.out = nn.Linear(32, 9, dtype=torch.float64)

    def forward(self, utterances):
        """(B, 9) for a PackedSequence of B utterances of 12 features."""
        _, (h, _) = self.lstm(utterances)
        return self.out(h[-1])


def train(epochs: int, output: str) -> None:
    """One process's part of the training; the first one writes the weights."""
    rank, processes = torch.distributed.get_rank(), torch.distributed.get_world_size()
    data = datasets.japanese_vowels()
    utterances = [torch.tensor(x, dtype=torch.float64) for x in data.train_x]
    speakers = torch.tensor(data.train_y)

    torch.manual_seed(0)  # the same first weights and batches in each process
    model = DistributedDataParallel(Classifier())
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(utterances)).split(30):
            share = batch[rank::processes]
            packed = pack_sequence([utterances[i] for i in share], enforce_sorted=False)
            losses = nn.functional.cross_entropy(model(packed), speakers[share], reduction="sum")
            optimiser.zero_grad()
            # DDP averages over processes: so this is the mean over the whole batch.
            (losses * processes / len(batch)).backward()
            optimiser.step()
            total += losses.item()
        if rank == 0:
            print(f"epoch {epoch}: loss of this process's share {total:.3f}")
    if rank == 0:
        torch.save(model.module.state_dict(), output)


def main() -> None:
    """One process of the training."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--output", default="weights.pt")
    options = parser.parse_args()

    torch.distributed.init_process_group("gloo")
    torch.set_num_threads(1)  # each process has one CPU
    peephole.set_num_threads(1)
    train(options.epochs, options.output)
    # The model holds the group. Threads of gloo that outlive the interpreter abort the process.
    gc.collect()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
