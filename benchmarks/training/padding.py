"""What batches of similar length save: tokens computed in an epoch, padding included, against batches at random.

    python -m benchmarks.training.padding reviews
    python -m benchmarks.training.padding sst2 glue       # a task of GLUE and the folder of its TSV files

Counts, with the tokenizer of minilm and batches of 32 and 64; takes no time of its own to be compared.
"""

import sys

import datasets
import torch
from torch.utils.data import RandomSampler
from transformers import AutoTokenizer

from emmental.models.backbones import minilm_folder
from emmental.tasks import batches, glue
from emmental.tasks.sentence_task import tokenized
from emmental.tasks.source import Source
from emmental.training.sampler import SimilarLengths


def main(name: str, data_dir: str | None = None) -> None:
    datasets.disable_progress_bars()
    task = glue.TASKS[name]
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
    features = tokenized(glue.load_train(task, Source(data_dir)), tokenizer, 128)
    lengths = batches.lengths(features)
    print(f"{name}: {len(lengths):,} examples, {sum(lengths) / len(lengths):.1f} tokens on average")
    for batch in (32, 64):
        samplers = {
            "at random": RandomSampler(lengths, generator=torch.Generator().manual_seed(0)),
            "similar length": SimilarLengths(lengths, batch, seed=0),
        }
        for order, sampler in samplers.items():
            computed = padded_tokens([lengths[index] for index in sampler], batch)
            print(f"  batches of {batch} {order:<15} {computed / sum(lengths):.2f} tokens computed per token")


def padded_tokens(lengths: list[int], batch: int) -> int:
    """Tokens that batches of these lengths, in this order, hold with their padding."""
    batches = [lengths[first : first + batch] for first in range(0, len(lengths), batch)]
    return sum(max(group) * len(group) for group in batches)


if __name__ == "__main__":
    main(*sys.argv[1:])
