"""What ``smp eval`` does."""

import dataclasses

import datasets

from emmental.common.errors import InputError
from emmental.inference import scoring, subjects
from emmental.inference.load import is_standalone
from emmental.masks import published
from emmental.recipes.kinds import Kind
from emmental.tasks import sentences
from emmental.tasks.label_map import parse_label_map
from emmental.tasks.sentence_task import with_words
from emmental.tasks.source import Source
from emmental.verbs.opening import reading


def run(arguments) -> None:
    datasets.disable_progress_bars()
    subject = subjects.find(arguments.what, arguments.base_url or published.RELEASE, arguments.sha256)
    given = {field.name: getattr(arguments, field.name, None) for field in dataclasses.fields(Source)}
    source = subjects.source_beside(subject.path, Source(**given))
    computed = arguments.runtime, arguments.dtype
    if is_standalone(subject.path):
        if arguments.label_map:
            raise InputError(f"{subject.path} holds the logits of its own label words only: no --label_map with it")
        found = scoring.score_standalone(subject.path, source, arguments.backbone, reading(arguments), *computed)
        print(scoring.show_standalone(subject.path, *found))
        return
    mask = subjects.read_subject(subject, arguments.backbone, arguments.task_name)
    if arguments.label_map:
        words = parse_label_map(arguments.label_map)
        if mask.info.kind is not Kind.SPAN:
            task = sentences.of_model(mask.info.task, mask.info.kind, mask.info.label_words, Source())
            words = with_words(task, words).words
        mask = dataclasses.replace(mask, info=dataclasses.replace(mask.info, label_words=words))
    elif subject.known and subject.known.task == "mnli":
        print(
            "published MNLI masks were trained with scrambled label words: scored with those (--label_map: with others)"
        )
    measured = scoring.score(mask, source, arguments.backbone, reading(arguments), arguments.force, *computed)
    print(scoring.show(subject, mask, measured))
