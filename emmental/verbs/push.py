"""What ``smp push`` does."""

from emmental.masks import hub


def run(arguments) -> None:
    known = hub.Known(license=arguments.license, languages=arguments.language, datasets=arguments.dataset)
    print(hub.push(arguments.mask, arguments.repository, arguments.private, arguments.dry_run, known))
