#!/usr/bin/env bash
# One full measurement on a quiet machine, pinned: bench/tools/quiet.sh [SUITE] [THREADS] [BUDGET]
# A row a case, in bench/results/<suite>-<chip>-<threads>t.json. Waits until the load of the last minute is low.
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=${1:-all} threads=${2:-1} budget=${3:-10m}
peers=${PEERS:-ort,ort-const,torch,frozen} limit=${MAX_LOAD:-0.3}

until awk -v limit="$limit" '{ exit !($1 < limit) }' /proc/loadavg; do
  echo "waiting for a load below $limit: $(cut -d' ' -f1 /proc/loadavg)" >&2
  sleep 10
done
chip=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1 | tr -cs '[:alnum:]' '-' | sed 's/^-*//; s/-*$//' | tr '[:upper:]' '[:lower:]')
mkdir -p bench/results
exec taskset -c "0-$((threads - 1))" node bin/consilium.js bench "$suite" --device cpu --threads "$threads" \
  --peers "$peers" --budget "$budget" --json "bench/results/$suite-${chip:-unknown}-${threads}t.json"
