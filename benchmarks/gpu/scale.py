"""How large and how often: what is measured on a GPU, and a tiny likeness that only shows that the programs run."""

from dataclasses import dataclass

from transformers import BertConfig

from benchmarks.training.training_steps import Workload
from emmental.models.heads import SequenceClassifier


@dataclass(frozen=True)
class Scale:
    """device: cuda or cpu. rounds: turns of each contender, by the number of examples in a batch."""

    device: str
    tiny: bool
    base: BertConfig
    large: BertConfig
    length: int  # tokens of an example
    rounds: dict[int, int]
    texts: dict[int, int]  # rounds of inference, by the number of texts

    def batch(self) -> int:
        """The smallest training batch, which is measured most closely."""
        return min(self.rounds)

    def workload(self, batch: int) -> Workload:
        """Classification of so many examples, all of one length."""
        return Workload(SequenceClassifier, batch, (self.length,) * 32, self.length)


def full(device: str) -> Scale:
    """BERT's two shapes, at 128 tokens."""
    large = BertConfig(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096)
    return Scale(device, False, BertConfig(), large, 128, {32: 20, 256: 8}, {1: 50, 32: 30, 256: 10})


def quick(device: str) -> Scale:
    """Shapes too small to say anything of speed."""
    base, large = (
        BertConfig(hidden_size=16, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=32)
        for layers in (2, 3)
    )
    return Scale(device, True, base, large, 8, {2: 2, 4: 2}, {1: 2, 2: 2})
