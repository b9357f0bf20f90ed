"""What ``smp pull`` does."""

from emmental.masks import hub


def run(arguments) -> None:
    print(hub.pull(arguments.repository, arguments.revision))
