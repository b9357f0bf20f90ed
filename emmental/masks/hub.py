"""Masks on the Hugging Face Hub, thin over huggingface_hub: a repository holds one mask file and its card."""

import dataclasses
import json
from pathlib import Path

import huggingface_hub
from huggingface_hub import CommitOperationAdd, ModelCard, ModelCardData
from huggingface_hub.errors import HFValidationError, HTTPError

from emmental import masks
from emmental.common.errors import InputError
from emmental.masks import describe
from emmental.recipes.kinds import Kind

CARD = "README.md"
PIPELINES = {Kind.SPAN: "question-answering", Kind.TOKENS: "token-classification"}  # else text-classification


def push(mask_file: Path, repository: str, private: bool = False, dry_run: bool = False) -> str:
    """Upload a mask file and its card in one commit; returns what was done. A dry run checks the file and says what it
    would do.

    Raises InputError for a damaged file, a bad name, or where the Hub refuses.
    """
    mask = masks.load(mask_file)
    name = f"mask{mask_file.suffix}"
    if dry_run:
        return f"would push {mask_file} as {name} with a card to {repository}:\n\n{card(mask)}"
    files = [CommitOperationAdd(name, mask_file), CommitOperationAdd(CARD, str(card(mask)).encode())]
    api = huggingface_hub.HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        done = api.create_commit(repository, files, commit_message=f"{name}: {mask.info.task}")
    except (HTTPError, ValueError, OSError) as error:  # ValueError: a bad name, or a card that the Hub finds invalid
        raise InputError(f"cannot push to {repository}: {error}") from None
    return f"{repository}: {name} and {CARD} pushed ({done.commit_url})"


def pull(repository: str, revision: str | None = None) -> Path:
    """Download a repository's mask into the Hub's cache and check it; returns its path. Raises InputError otherwise."""
    try:
        api = huggingface_hub.HfApi()
        files = api.list_repo_files(repository, revision=revision)
        found = [file for file in ("mask.smp", "mask.safetensors") if file in files]
        if not found:
            raise InputError(f"{repository}: neither mask.smp nor mask.safetensors in it")
        path = Path(huggingface_hub.hf_hub_download(repository, found[0], revision=revision))
    except (HTTPError, HFValidationError, OSError) as error:
        raise InputError(f"cannot pull from {repository}: {error}") from None
    masks.load(path)
    return path


def card(mask: masks.Mask) -> ModelCard:
    """The repository's README: what the mask is for, and how to use it."""
    info = mask.info
    data = ModelCardData(
        # A card's base model is one on the Hub, and what came from there has a revision.
        base_model=info.base_model if info.base_revision else None,
        base_model_relation="adapter" if info.base_revision else None,
        library_name="smp-pruning",
        pipeline_tag=PIPELINES.get(info.kind, "text-classification"),
        tags=["pruning", "mask", info.task],
    )
    return ModelCard(f"""---
{data.to_yaml()}
---

# {info.task} on {info.base_model}, {100 * mask.density():.2f} % of the encoder's weights

A binary mask over a frozen backbone, not a model: one bit per encoder weight{_beside(mask)}.

    smp pull <this repository>
    bash eval.sh <the path that it prints>

```json
{json.dumps(dataclasses.asdict(info), indent=2)}
```
""")


def _beside(mask: masks.Mask) -> str:
    return f", and beside it norms and biases: {describe.vectors(mask)}" if mask.vectors else ""
