#!/bin/sh
# Compares the profiles of two builds; exits with 3 when the new one is slower.
#
#   sh perf-gate.sh BASE NEW [BUDGET.yml]
#
# BASE and NEW are folders of recordings, five or more of the same load, taken in turns, so that what changes on the
# machine meanwhile meets both sides. Of benchmarks `mayfly bench --keep DIR` makes them, in DIR/base and DIR/new.
set -u
base=$1 new=$2 budget=${3-}
mayfly diff --format html -q -o diff.html ${budget:+--budget "$budget"} "$base" "$new"
mayfly diff ${budget:+--budget "$budget"} "$base" "$new"
code=$?
case $code in
0) echo "no regression" ;;
3) echo "regression: see diff.html" ;;
5) echo "the profiles cannot be compared" ;;
*) echo "mayfly failed with exit code $code: this says nothing about the program" ;;
esac
exit $code
