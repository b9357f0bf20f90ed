"""Masks on the Hugging Face Hub, thin over huggingface_hub: a repository holds one mask file, its card and, where there
is one, the picture of its densities."""

import dataclasses
from pathlib import Path

import huggingface_hub
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HFValidationError, HTTPError

from emmental import masks
from emmental.common.errors import InputError
from emmental.masks.card import PICTURE, Known, card, read_results

CARD = "README.md"


def push(
    mask_file: Path, repository: str, private: bool = False, dry_run: bool = False, known: Known | None = None
) -> str:
    """Upload a mask file and its card in one commit; returns what was done. A dry run checks the file and says what it
    would do. known: license, languages and data sets; the rest of it is found here, from what lies beside the file.

    Raises InputError for a damaged file, a bad name, or where the Hub refuses.
    """
    mask = masks.load(mask_file)
    name, picture = f"mask{mask_file.suffix}", mask_file.with_name(PICTURE)
    beside = {"results": read_results(mask_file, mask), "picture": picture.exists()}
    text = str(card(mask, dataclasses.replace(known or Known(), repository=repository, file=name, **beside)))
    if dry_run:
        return f"would push {mask_file} as {name} with a card to {repository}:\n\n{text}"
    files = {name: mask_file, CARD: text.encode()} | ({PICTURE: picture} if picture.exists() else {})
    operations = [CommitOperationAdd(name, content) for name, content in files.items()]
    api = huggingface_hub.HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        done = api.create_commit(repository, operations, commit_message=f"{name}: {mask.info.task}")
    except (HTTPError, ValueError, OSError) as error:  # ValueError: a bad name, or a card that the Hub finds invalid
        raise InputError(f"cannot push to {repository}: {error}") from None
    *others, last = files
    return f"{repository}: {', '.join(others)} and {last} pushed ({done.commit_url})"


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
