# Sourced by the launchers with their folder: puts the Python that they start first on the path. It is that of .venv
# beside them where it stands and no other environment is active.
if [[ -z ${VIRTUAL_ENV:-}${CONDA_PREFIX:-} && -x $1/.venv/bin/python ]]; then
    PATH=$(cd "$1" && pwd)/.venv/bin:$PATH
fi
export PYTHONPATH=$1${PYTHONPATH:+:$PYTHONPATH}
FIND="from importlib.util import find_spec as f; raise SystemExit(not all(map(f, ('torch', 'transformers', 'datasets'))))"
if ! python -c "$FIND" 2>/dev/null; then
    echo "error: $(command -v python || echo python) lacks the packages of requirements.txt: type 'make demo' once," \
        "which sets up .venv, or 'pip install --requirement requirements.txt' in an environment of your own" >&2
    exit 2
fi
