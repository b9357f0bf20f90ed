"""The command ``smp``: prune for a task, compare methods, and what one does with masks.

smp prune sst2_0.10_mag --dry_run
smp predict models/sst2_0.10_mag/mask.safetensors "a charming film"
smp VERB --help

``python -m emmental`` is the same. Nothing slow is loaded before flags are read, and by the verbs that start runs not
at all.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path

from emmental.common.endings import end_at_once
from emmental.common.errors import exit_on_input_error
from emmental.launch import compare, jobs
from emmental.recipes.computing import DTYPES, RUNTIMES, STORED_DTYPES
from emmental.recipes.settings import CUSTOM_DATA, SentenceDataArguments

STARTS = {  # verbs that start runs; what stands after them goes through as it is
    "prune": "prune an encoder: smp prune <task>_<density>[_roberta][_kd|_lkd][_mag] [--dry_run] [flags]; as run.sh",
    "teacher": "fine-tune a dense teacher for _kd runs: smp teacher <task>[_roberta] [--dry_run] [flags]",
    "compare": 'compare methods on a task: smp compare <task> "<densities>" [methods ...] [--dry_run] [flags]',
}


def build_parser() -> argparse.ArgumentParser:
    """One subparser per verb; what each does is in verbs/."""
    parser = argparse.ArgumentParser(prog="smp", description="Prune encoders; inspect, use and share masks.")
    subparsers = parser.add_subparsers(required=True, metavar="VERB")

    for verb, words in STARTS.items():
        subparsers.add_parser(verb, help=words)
    npy = argparse.ArgumentParser(add_help=False)
    npy.add_argument("--backbone", help="folder, Hub name or minilm (default: the one that the mask names)")
    npy.add_argument("--task_name", help="the task of a .npy mask, which does not say it")
    using = argparse.ArgumentParser(add_help=False)
    using.add_argument("--force", action="store_true", help="apply the mask though the backbone is not the mask's own")
    texts = argparse.ArgumentParser(add_help=False)
    texts.add_argument("--max_seq_length", type=int, help="tokens per text (default 128, questions 384)")
    texts.add_argument("--doc_stride", type=int, help="tokens that windows of a long context share (default 128)")
    texts.add_argument(
        "--runtime",
        choices=RUNTIMES,
        default="dense",
        help="how it is computed: dense (default), sparse products, or auto: the faster one of each matrix",
    )
    texts.add_argument(
        "--dtype",
        choices=DTYPES,
        default="fp32",
        help="of what is computed densely; bf16 rounds, and auto uses it where it is faster (default fp32)",
    )

    file = "mask file: .safetensors, .smp or .npy"
    model = f"{file}; task checkpoint: .task; or folder of a shrunk model"

    def add(name, description, *parents, mask=file):
        verb = subparsers.add_parser(name, help=description, description=description, parents=parents)
        verb.set_defaults(verb=name)
        if mask:
            verb.add_argument("mask", type=Path, help=mask)
        return verb

    add("inspect", "show a mask's origin, densities, empty rows and columns, and size", npy)
    verb = add("convert", "write a mask in another encoding", npy)
    verb.add_argument("target", type=Path, help="the file to write; its ending chooses the encoding")
    verb = add("diff", "compare two masks: what they share, by matrix type", npy)
    verb.add_argument("b", type=Path, help="the other mask file")
    verb = add("fold", "write a plain Hugging Face checkpoint with the mask folded in", npy, using)
    verb.add_argument("folder", type=Path, help="the folder to write")
    verb.add_argument(
        "--for",
        dest="purpose",
        choices=("pipeline",),
        help="write one of transformers' own classifiers with the mask's answers, not the masked LM",
    )
    words = "label texts, or their words, or answer a question: probabilities, tab-separated"
    verb = add("predict", words, npy, using, texts, mask=model)
    verb.add_argument("texts", nargs="*", help="the texts, each an argument")
    verb.add_argument("--question", help="with --context: the answer of a mask that was trained on SQuAD")
    verb.add_argument("--context", help="the text that holds the answer")
    verb.add_argument(
        "--words", action="store_true", help="the texts are words parted by blanks, for a mask that tags words"
    )
    verb.add_argument("--tsv", type=Path, help="a file with a text per line, or two parted by a tab")
    verb = add("eval", "score a mask on its task's validation set", npy, using, texts, mask=None)
    verb.add_argument("what", help=f"output folder of run.sh; {model}; or name of a published mask")
    verb.add_argument("--data_dir", help="folder with GLUE's TSV files or SQuAD's json files (default: the Hub)")
    verb.add_argument("--validation_file", help="examples as csv, json or jsonl, instead of --data_dir")
    verb.add_argument("--label_map", help="other label words: JSON or a Python dictionary")
    for name in CUSTOM_DATA:  # of a run's mask they are known
        verb.add_argument(f"--{name}", help=SentenceDataArguments.__dataclass_fields__[name].metadata["help"])
    verb.add_argument("--base_url", help="where published masks are (default: the project's release)")
    verb.add_argument("--sha256", help="hash that the downloaded archive must have")
    verb = add("shrink", "write a smaller model without the empty rows and columns", npy, using, mask=model)
    verb.add_argument("folder", type=Path, help="the folder to write")
    verb.add_argument(
        "--shrink_min", type=int, default=0, help="drop rows with fewer weights than this, too, which changes the model"
    )
    verb = add("pack", "write a mask and the weights it keeps in one small file that needs no backbone", npy, using)
    verb.add_argument("file", type=Path, help="the file to write; its name ends in .task")
    verb.add_argument("--dtype", choices=STORED_DTYPES, default="fp32", help="of the weights (default fp32: lossless)")
    verb.add_argument("--without_embeddings", action="store_true", help="leave them to the backbone: far smaller")
    verb = add("export", "write an ONNX file, checked with onnxruntime", npy, using, mask=model)
    words = "the file to write, whose name ends in .onnx; or a folder for Optimum, with config and tokenizer beside it"
    verb.add_argument("file", type=Path, help=words)
    verb = add("benchmark", "time a mask's model, dense and sparse; draws benchmark.png", npy, using)
    words = "milliseconds that a pass may take where texts per second are counted (default 50)"
    verb.add_argument("--latency_ms", type=float, default=50.0, help=words)
    verb.add_argument("--json", action="store_true", help="print one JSON object with seconds and bytes")
    verb = add("push", "upload a mask and a card to the Hugging Face Hub")
    verb.add_argument("repository", help="owner/name")
    verb.add_argument("--private", action="store_true", help="create the repository as a private one")
    verb.add_argument("--dry_run", action="store_true", help="check the mask and show the card, upload nothing")
    verb.add_argument("--license", help="of the mask, as the Hub writes it: apache-2.0, mit, …")
    verb.add_argument("--language", nargs="+", help="of the texts, as the Hub writes it: en, de, …")
    verb.add_argument("--dataset", nargs="+", help="the Hub's names of the data that it was trained on")
    verb = add("pull", "download a mask from the Hugging Face Hub and print its path", mask=None)
    verb.add_argument("repository", help="owner/name")
    verb.add_argument("--revision", help="branch, tag or commit")
    words = "list the masks of a user, an organisation or a collection on the Hugging Face Hub"
    verb = add("list", words, mask=None)
    verb.add_argument("place", help="user or organisation; or collection: owner/title-id")
    return parser


def main() -> None:
    """Do what the verb says."""
    verb, words = sys.argv[1] if len(sys.argv) > 1 else "--help", sys.argv[2:]
    if verb not in STARTS or {"-h", "--help"} & set(words):
        arguments = build_parser().parse_args([verb, *words])
        end_at_once()
        with exit_on_input_error():
            import_module(f"emmental.verbs.{arguments.verb}").run(arguments)
    elif verb == "compare":
        compare.main(words)
    else:
        jobs.main("run_teacher.sh" if verb == "teacher" else verb, words)


if __name__ == "__main__":
    main()
