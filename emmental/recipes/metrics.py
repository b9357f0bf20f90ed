"""The metrics of tasks of one's own by their names in ``--metric``: scikit-learn's, and two correlations. Of each the
higher value is better. They are computed in emmental/tasks/metrics.py.
"""

from emmental.common.errors import InputError
from emmental.recipes.kinds import Kind

METRICS = {  # by kind; the first two are measured where none is asked for
    Kind.LABEL: ("accuracy", "f1_macro", "f1_micro", "f1_weighted", "balanced_accuracy", "matthews", "f1"),
    Kind.VALUE: ("pearson", "spearman", "r2", "neg_mean_absolute_error", "neg_root_mean_squared_error"),
    Kind.SEVERAL: ("f1_micro", "f1_macro", "f1_weighted", "f1_samples", "accuracy"),
    Kind.TOKENS: ("f1", "precision", "recall", "accuracy", "f1_macro"),  # of entities, seqeval's; else the last two
}
NOT_SHARES = ("neg_mean_absolute_error", "neg_root_mean_squared_error")  # in the unit of the values, not of 1


def asked(metric: str | None, kind: Kind | None = None) -> tuple[str, ...]:
    """The metrics of --metric, names by commas, or those of the kind where none are asked for. Raises InputError for a
    name that this kind does not have, or no kind where it is not known yet."""
    if metric is None:
        return METRICS[kind][:2] if kind in METRICS else ()
    known = METRICS[kind] if kind else sorted({name for names in METRICS.values() for name in names})
    names = tuple(metric.replace(" ", "").split(","))
    for name in names:
        if name not in known:
            raise InputError(f"--metric {metric}: there are {', '.join(known)}")
    return names
