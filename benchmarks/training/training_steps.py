"""The steps that are compared: ours as a training run has it, dense fine-tuning, and one of the reference code's kind.

Everything on BERT-base's shape with random weights and random tokens, in batches whose lengths are real. Measuring is
in train_step.py and train_memory.py.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from datasets import Dataset, load_from_disk
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForMaskedLM, PrinterCallback

from emmental.common.memory import keep_freed_memory
from emmental.models.heads import LabelWordModel, SequenceClassifier, SpanClassifier
from emmental.pruning.masked_linear import swap_in
from emmental.pruning.matrices import encoder_linears
from emmental.pruning.schedule import Schedule
from emmental.pruning.score_init import init_scores
from emmental.training.attention import by_products
from emmental.training.config import SMPConfig
from emmental.training.teacher_logits import TeacherLogits
from emmental.training.trainer import SMPTrainer

Batch = dict[str, torch.Tensor]
LABEL_WORDS = {SequenceClassifier: [2748, 2672, 2053], SpanClassifier: [2748, 2053]}
LAMBDA, RATE = 400.0, 2e-2


@dataclass(frozen=True)
class Workload:
    """What batches look like. lengths: 32 quantiles of the tokens per example, with bert-base-uncased's vocabulary."""

    head: type[LabelWordModel]
    batch: int
    lengths: tuple[int, ...]
    reference_length: int  # what the reference code pads to


MNLI = Workload(  # the 9,999 training rows at hand: 40.1 tokens on average
    SequenceClassifier, 32,
    (13, 16, 18, 20, 21, 23, 24, 26, 27, 29, 30, 31, 33, 34, 35, 37,
     38, 40, 41, 43, 44, 46, 47, 49, 51, 53, 56, 58, 62, 67, 74, 92), 128,
)  # fmt: skip
SQUAD = Workload(  # 12,022 windows of 11,877 training questions, length 384, stride 128: 160.9 tokens on average
    SpanClassifier, 8,
    (53, 66, 75, 83, 91, 97, 103, 108, 113, 118, 123, 128, 133, 137, 142, 147,
     153, 157, 163, 169, 175, 180, 187, 194, 201, 210, 222, 237, 252, 269, 301, 368), 384,
)  # fmt: skip
WHOLE = Workload(SequenceClassifier, 8, (128,) * 32, 128)  # for memory
SHORT = Workload(SequenceClassifier, 4, (16,) * 32, 16)  # for selection, which does not see the batch


def batches(workload: Workload, count: int) -> list[Batch]:
    """Batches of similar length, whose lengths run through the quantiles; random tokens and labels."""
    draw = torch.Generator().manual_seed(0)
    return [random_batch(workload, workload.lengths[(2 * number + 1) * 16 // count], draw) for number in range(count)]


def random_batch(workload: Workload, length: int, draw: torch.Generator) -> Batch:
    """Every other example is a token shorter than the others."""
    ids = torch.randint(1000, 30000, (workload.batch, length), generator=draw)
    attention = torch.ones_like(ids)
    attention[::2, -1] = 0
    labels = torch.arange(workload.batch) % 3
    named = {"labels": labels}
    if workload.head is SpanClassifier:
        named = {"start_positions": labels + 5, "end_positions": labels + 6}
    return {"input_ids": ids * attention, "attention_mask": attention, **named}


def backbone(shape: BertConfig | None = None, device: str = "cpu") -> BertForMaskedLM:
    """BERT-base's shape, or another, made on a device; random weights, always the same there."""
    torch.manual_seed(0)
    with torch.device(device):
        return BertForMaskedLM(shape or BertConfig())


class OurRun(SMPTrainer):
    """A training run over these batches in this order: soft allocation, or local, the recipe's optimiser and
    regulariser. shape: of the backbone, BERT-base's by default; device: cpu, or the kind of accelerator that is there.
    """

    def __init__(
        self, workload: Workload, todo: list[Batch], folder: str, density=0.3, init=0.5, bf16=False,
        shape: BertConfig | None = None, device: str = "cpu", soft=True,
    ):  # fmt: skip
        model = backbone(shape, device)
        init_scores(swap_in(model), "magnitude", init)
        config = SMPConfig(
            output_dir=folder, num_train_epochs=1, bf16=bf16, mask_scores_learning_rate=RATE,
            per_device_train_batch_size=workload.batch,  # of a larger batch the rest would be left out
            magnitude_topk_threshold=soft, train_sampling_strategy="random", save_strategy="no", eval_strategy="no",
            logging_strategy="no", disable_tqdm=True, use_cpu=device == "cpu",
        )  # fmt: skip
        schedule = Schedule(len(todo) + 1, 1, density, LAMBDA, density)
        head = workload.head(model, LABEL_WORDS[workload.head])
        super().__init__(head, config, schedule, train_dataset=todo)
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self):
        return DataLoader(self.train_dataset, batch_size=None)

    def training_step(self, model, inputs, *args):
        self.batch = {name: values for name, values in inputs.items() if name != "row"}
        return super().training_step(model, inputs, *args)


class OurDistillingRun(OurRun):
    """The same with a teacher whose logits were computed once and are read from where they are kept."""

    def __init__(self, workload: Workload, todo: list[Batch], folder: str):
        super().__init__(workload, [batch | {"row": torch.arange(workload.batch)} for batch in todo], folder)
        logits = torch.zeros(workload.batch, len(LABEL_WORDS[workload.head]))
        Dataset.from_dict({"logits": logits.numpy()}).save_to_disk(f"{folder}/teacher")
        self.teacher = TeacherLogits(load_from_disk(f"{folder}/teacher"), tuple(range(logits.shape[1])))
        self.distillation = workload.head.distillation


class DenseStep:
    """Fine-tuning of the same matrices as well as we know how: our model, batches, attention and clipping, memory that
    is kept, fused AdamW; nothing is masked. shape and device as of OurRun."""

    def __init__(self, workload: Workload, bf16=False, shape: BertConfig | None = None, device: str = "cpu"):
        keep_freed_memory()
        self.precision = torch.autocast(device, torch.bfloat16, enabled=bf16)
        model = backbone(shape, device).requires_grad_(False)
        self.weights = [linear.weight.requires_grad_() for linear in encoder_linears(model).values()]
        self.encoder, self.by_products = model, bf16
        self.model = workload.head(model, LABEL_WORDS[workload.head]).train()
        self.optimizer = torch.optim.AdamW(self.weights, lr=3e-5, weight_decay=0.0, fused=True)

    def __call__(self, batch: Batch, done: Callable[[str], None] = lambda part: None) -> None:
        """A step on a batch. done: told of each part when it is over."""
        with self.precision, by_products(self.encoder, batch["input_ids"].shape[1], self.by_products):
            loss = self.model(**batch)["loss"]
        done("forward")
        loss.backward()
        done("backward")
        clip_grad_norm_(self.weights, 1.0)
        done("clipping")
        self.optimizer.step()
        self.optimizer.zero_grad()
        done("optimiser")


class SortedLinear(nn.Module):
    """As the reference code does it: a full sort of the scores in every forward pass, the mask as a matrix of floats,
    and mask and masked weights kept for the backward pass."""

    density = 0.3

    def __init__(self, linear: nn.Linear, init: float):
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.scores = nn.Parameter(init * linear.weight.abs() / linear.weight.std())

    def forward(self, input):
        order = self.scores.detach().flatten().sort(descending=True).indices
        kept = int(self.density * order.numel())
        mask = torch.empty_like(self.weight)
        mask.view(-1)[order[:kept]] = 1.0
        mask.view(-1)[order[kept:]] = 0.0
        return F.linear(input, self.weight * PassGradient.apply(self.scores, mask), self.bias)


class PassGradient(torch.autograd.Function):
    """The mask forward, its gradient to the scores backward."""

    @staticmethod
    def forward(ctx, scores, mask):
        return mask.view_as(mask)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class ReferenceStep:
    """A step of the reference code's kind: SortedLinear everywhere, every example padded to the longest that is
    allowed, the regulariser through autograd, AdamW that is not fused. Attention and head are ours; its soft allocation
    and its evaluation of the schedule in every layer are left out."""

    def __init__(self, workload: Workload):
        self.length = workload.reference_length
        self.model = sorted_model(workload, 0.5).train()
        self.scores = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(self.scores, lr=RATE, weight_decay=0.0, foreach=False, fused=False)

    def __call__(self, batch: Batch) -> None:
        loss = self.model(**padded(batch, self.length))["loss"]
        regulariser = torch.stack([torch.sigmoid(scores).mean() for scores in self.scores]).mean()
        (loss + LAMBDA * regulariser).backward()
        clip_grad_norm_(self.scores, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()


class ReferenceTeacher:
    """What a live teacher adds to that step: another forward pass, with its sorts. Its scores are zeros, as they are
    where a fine-tuned model was loaded."""

    def __init__(self, workload: Workload):
        self.length = workload.reference_length
        self.model = sorted_model(workload, 0.0).eval()

    @torch.no_grad()
    def __call__(self, batch: Batch) -> None:
        self.model(**padded(batch, self.length))


def sorted_model(workload: Workload, init: float) -> LabelWordModel:
    """The backbone with SortedLinear layers; scores start at init * abs(W) / std(W)."""
    model = backbone().requires_grad_(False)
    for name, linear in encoder_linears(model).items():
        model.set_submodule(name, SortedLinear(linear, init))
    return workload.head(model, LABEL_WORDS[workload.head])


def padded(batch: Batch, length: int) -> Batch:
    """The batch with its token tensors padded to this length."""
    missing = length - batch["input_ids"].shape[1]
    return {name: F.pad(tensor, (0, missing)) if tensor.dim() == 2 else tensor for name, tensor in batch.items()}
