#!/usr/bin/env bash
# One-epoch searches on seven GLUE tasks with MiniLM and 160 examples each, then one GLUE table.
#
#   bash bench/glue_smoke.sh GLUE_FOLDER SAMPLES_FOLDER RESULTS
#
# GLUE_FOLDER holds CoLA, STS-B, RTE and WNLI in GLUE's layout; SAMPLES_FOLDER samples of MNLI, QQP
# and QNLI. It shows that every task runs from its files to the table; the figures mean nothing.
set -euo pipefail
glue=$1 samples=$2 results=$3

run() {  # task, folder, further settings of `data`
    freelb-tune --space rte_minilm --results "$results" --no-dashboard \
        "name=smoke_$1" "task=$1" "data={source: glue, path: $2, max_train_examples: 160, max_eval_examples: 160, max_length: 64$3}" \
        trainer.num_train_epochs=1 'seeds=[1]' adversary.adv_lr=0.05 >"$results/$1.log" 2>&1
    echo "$1: done"
}

mkdir -p "$results"
for task in cola stsb rte wnli; do run "$task" "$glue" ""; done
for task in mnli qqp; do run "$task" "$samples" ""; done
run qnli "$samples" ", dev: dev_from_train.tsv"
freelb-tune glue "$results"/smoke_* --out "$results"
