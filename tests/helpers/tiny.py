"""Tiny models and data that the tests make themselves, and the project's commands run on them."""

import csv
import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

from emmental import masks
from emmental.models.backbones import load_backbone
from emmental.pruning.masked_linear import swap_in
from emmental.pruning.vectors import encoder_vectors
from emmental.recipes.table import kind_of
from tests.helpers.devices import hidden

ROOT = Path(__file__).parents[2]
RUN = ("bash", "run.sh", "sst2_0.25_mag")
WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] yes no maybe terrible great incorrect correct bad good the a film plot actor was "
    "is not very funny dull slow bright story music un ##believ ##able , ."
).split()


def tiny_config(**changes) -> BertConfig:
    settings = {
        "vocab_size": len(WORDS),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 512,
        "initializer_range": 0.2,
    }
    return BertConfig(**settings | changes)


def save_tiny_bert(folder: Path, config: BertConfig) -> Path:
    """A BERT with a masked-LM head, random weights and the vocabulary above, as from_pretrained wants it."""
    torch.manual_seed(0)
    BertForMaskedLM(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    BertTokenizer.from_pretrained(folder, model_max_length=512).save_pretrained(folder)
    return folder


def write_reviews(path: Path, rows: int, seed: int = 0) -> Path:
    """A csv with columns sentence and label: good and bad films in random words."""
    draw = random.Random(seed)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sentence", "label"])
        for number in range(rows):
            words = draw.choices(WORDS[14:30], k=draw.randint(2, 9))
            writer.writerow([" ".join([*words, ("bad", "good")[number % 2]]), number % 2])
    return path


def run_command(arguments, variables, folder) -> subprocess.CompletedProcess:
    """Run a command of the project in this folder to its end."""
    return subprocess.run(
        command_line(arguments), cwd=folder, env=environment(variables), capture_output=True, text=True, timeout=300
    )


def command_line(arguments) -> list[str]:
    """The command with scripts of the project by their full path."""
    return [str(ROOT / word) if (ROOT / str(word)).is_file() else str(word) for word in arguments]


def environment(variables) -> dict[str, str]:
    """The tests' Python first on the path; deprecated calls are errors."""
    strict = "error::DeprecationWarning:__main__,error::FutureWarning"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | hidden() | {"PATH": path, "PYTHONWARNINGS": strict, "OMP_NUM_THREADS": "1"} | variables


def with_random_vectors(mask: masks.Mask, folder, seed=0) -> masks.Mask:
    """The mask with norms and biases that differ from those of its backbone, as if trained."""
    draw = torch.Generator().manual_seed(seed)
    own = encoder_vectors(load_backbone(str(folder)).model)
    vectors = {n: vector.detach() + 0.3 * torch.randn(vector.shape, generator=draw) for n, vector in own.items()}
    return replace(mask, vectors=vectors)


def random_mask(folder, task="sst2", words=None, seed=0, density=0.3) -> masks.Mask:
    """A mask over the backbone in this folder."""
    draw = torch.Generator().manual_seed(seed)
    shapes = {name: layer.weight.shape for name, layer in swap_in(load_backbone(str(folder)).model).items()}
    bits = {name: torch.rand(shape, generator=draw) < density for name, shape in shapes.items()}
    return mask_over(folder, bits, task, words, density)


def mask_over(folder, bits, task="sst2", words=None, density=0.3) -> masks.Mask:
    """These bits as a mask over the backbone in this folder."""
    backbone = load_backbone(str(folder))
    return masks.Mask(bits, info_over(backbone, task, words or {"0": "terrible", "1": "great"}, density))


def info_over(backbone, task, words, density=0.3) -> masks.MaskInfo:
    """What a file says of a mask over this backbone."""
    return masks.MaskInfo(
        base_model=backbone.name, base_revision="", task=task, kind=kind_of(task), label_words=words, density=density,
        method="topK", allocation="soft", p=1.0, **backbone.hashes(),
    )  # fmt: skip


def data_flags(reviews):
    return ("--train_file", reviews["train"], "--validation_file", reviews["validation"])


def short_run(tiny_bert, reviews, *flags):
    """The launcher with 3 epochs of 5 steps, evaluated and saved every 3 steps."""
    return (*RUN, *data_flags(reviews), "--eval_steps", "3", "--logging_steps", "1", *flags), {
        "MODEL": str(tiny_bert),
        "EPOCHS": "3",
        "BATCH_SIZE": "8",
        "LR": "5e-2",
        "LAMBDA": "10",
    }


def write_questions(path: Path, rows: int, seed: int = 0, unanswered: int = 0) -> Path:
    """SQuAD's official json: contexts of random words, of which one or two are the answer; some without one."""
    draw = random.Random(seed)
    paragraphs = []
    for number in range(rows):
        words = draw.choices(WORDS[16:30], k=draw.randint(5, 30))  # no articles, which count for nothing
        first = draw.randrange(len(words) - 1)
        text = " ".join(words[first : first + draw.randint(1, 2)])
        answers = [{"text": text, "answer_start": len(" ".join([*words[:first], ""]))}]
        question = {"id": f"q{seed}.{number}", "question": "good or bad", "answers": answers}
        if number < unanswered:
            question |= {"answers": [], "is_impossible": True}
        paragraphs.append({"context": " ".join(words), "qas": [question]})
    path.write_text(json.dumps({"version": "1.1", "data": [{"title": "films", "paragraphs": paragraphs}]}))
    return path
