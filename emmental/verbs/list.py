"""What ``smp list`` does."""

from emmental.masks import gallery


def run(arguments) -> None:
    print(gallery.show(arguments.place))
