#!/usr/bin/env bash
# Everything on a GPU in one call: bash bench/gpu/all.sh [PACK] OUT
# PACK is what bench.gpu.pack made, for a machine that lacks Ray; OUT gets logs and figures.
# About eight minutes. The checks, and a search through Ray, run side by side; speeds by themselves.
set -u
out=${!#}
pack=$([ $# -gt 1 ] && realpath "$1")
mkdir -p "$out" && out=$(realpath "$out")
cd "$(dirname "$0")/../.."
export PYTHONPATH=$PWD PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
if [ -n "$pack" ]; then
    there=$(mktemp -d)
    for name in site mini; do
        [ -f "$pack/$name.tar.xz" ] && mkdir "$there/$name" && tar xJf "$pack/$name.tar.xz" -C "$there/$name"
        [ -d "$there/$name" ] && PYTHONPATH=$PYTHONPATH:$there/$name
    done
fi
if [ -d "${there:-}/mini/RTE" ]; then
    (cd "$(mktemp -d)" && timeout 150 python3 -m freelb_tune.cli --space "$OLDPWD/bench/gpu/search.yaml" --data "$there/mini" \
        --no-dashboard >"$out/search.log" 2>&1; echo "search: status $?, $SECONDS s"; tail -9 "$out/search.log") &
fi
timeout 120 python3 -m bench.gpu.checks >"$out/checks.log" 2>&1
echo "checks: status $?, $SECONDS s"
grep "^ok\|^FAIL" "$out/checks.log" | cut -c1-200
timeout 60 python3 -m bench.gpu.checks --fused --only bf16 --only "dropout bf16" --only memory >"$out/fused.log" 2>&1
echo "checks of the fused kernels: status $?, $SECONDS s"
grep "^ok\|^FAIL" "$out/fused.log" | cut -c1-200
wait
timeout 300 python3 -m bench.gpu.speed --json "$out/speed.json" >"$out/speed.log" 2>&1
echo "speed: status $?, $SECONDS s"
grep "^|\|TFLOP\|failed\|not recorded" "$out/speed.log" | cut -c1-200
for variant in ours ours_fused; do
    timeout 30 python3 -m bench.gpu.where --variant $variant >"$out/where_$variant.log" 2>&1
    echo "where $variant: status $?, $SECONDS s"
done
timeout 45 python3 -m bench.gpu.share >"$out/share.log" 2>&1
echo "share: status $?, $SECONDS s"
tail -3 "$out/share.log"
