#!/usr/bin/env bash
# Compare pruning methods on a task: metric over remaining weights, as a table and a picture.
#
#     bash compare.sh <task> "<densities>" [methods ...] [--dry_run] [--log_axis] [flags of every run]
#
#     bash compare.sh sst2 "0.5 0.1 0.03"                        # all methods, the published recipes
#     bash compare.sh rte "0.5 0.1" smp-s smp-s+kd finetune      # these only
#     SEEDS="1 2 3" bash compare.sh mrpc "0.1" smp-s movement    # mean and standard deviation over seeds
#
# Methods: smp-l smp-s smp-g movement movement-g soft_movement magnitude l0 finetune (-g: global ranking); with +kd from a
# teacher, with +magnitude_init scores that start at the weights' magnitude; SMP also with +lkd, the recipe of the tags
# that learn from a teacher's layers. The same command goes on after a stop, and another one for the same OUTPUT_DIR adds
# to it: comparison.csv, .md and .png tell of all finished runs in there.
set -euo pipefail
set -o allexport # emmental/launch/compare.py reads these

MODEL=${MODEL:-}                        # backbone: folder, Hub name or minilm (default bert-base-uncased)
TEACHER=${TEACHER:-}                    # teacher of +kd and +lkd runs: folder or Hub name (default teachers/<task>)
DATA_DIR=${DATA_DIR:-}                  # folder with GLUE's TSV or SQuAD's files (default: the Hub)
OUTPUT_DIR=${OUTPUT_DIR:-}              # where runs and results go (default comparisons/<task>)
EPOCHS=${EPOCHS:-}                      # passes over the training data (default: the task's recipe; finetune: 3)
BATCH_SIZE=${BATCH_SIZE:-}              # examples per step and process (default: the task's recipe)
MAX_LENGTH=${MAX_LENGTH:-}              # tokens per example (default: the task's recipe)
DOC_STRIDE=${DOC_STRIDE:-}              # tokens that neighbouring windows share (squad)
SEEDS=${SEEDS:-42}                      # random seeds, e.g. "1 2 3": each run once for each
SOFT_MOVEMENT_LAMBDAS=${SOFT_MOVEMENT_LAMBDAS:-400} # lambda decides what soft movement and L0 keep: a run for each of
L0_LAMBDAS=${L0_LAMBDAS:-125}           # these in place of the densities, e.g. "30 60 125"
SMP_FLAGS=${SMP_FLAGS:-}                # further flags of one method's runs, e.g. "--final_lambda 50";
MOVEMENT_FLAGS=${MOVEMENT_FLAGS:-}      # see masked_run_glue.py --help
SOFT_MOVEMENT_FLAGS=${SOFT_MOVEMENT_FLAGS:-}
MAGNITUDE_FLAGS=${MAGNITUDE_FLAGS:-}
L0_FLAGS=${L0_FLAGS:-}
FINETUNE_FLAGS=${FINETUNE_FLAGS:-}
NPROC=${NPROC:-1}                       # processes on this machine; above 1 they start with torchrun
REPORT_TO=${REPORT_TO:-tensorboard}     # where curves are logged: tensorboard, none, …

source "$(dirname "$0")/emmental/launch/environment.sh" "$(dirname "$0")"
exec python -m emmental.launch.compare "$@"
