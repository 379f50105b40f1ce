#!/bin/sh
# Compares the profiles of two builds; exits with 3 when the new one is slower.
#
#   sh perf-gate.sh BASE NEW [FLAG...]
#
# BASE and NEW are folders of recordings, five or more of the same load, taken in turns, so that what changes on the
# machine meanwhile meets both sides. Of benchmarks `mayfly bench --keep DIR` makes them, in DIR/base and DIR/new.
# Further flags are those of mayfly diff: --budget FILE.yml for limits of your own; with
# --fail-on undecided nothing passes that was not measured well enough: exit code 4.
if [ $# -lt 2 ]; then
	echo "usage: sh perf-gate.sh BASE NEW [FLAG...]" >&2
	exit 2
fi
base=$1 new=$2
shift 2
mayfly diff --format html -q -o diff.html --fail-on undecided "$@" "$base" "$new"
page=$?
mayfly diff --fail-on regression,budget "$@" "$base" "$new" # a further --fail-on adds to that
code=$?
case $code in
0)
	if [ $page -eq 4 ]; then
		echo "passed, but undecided: no regression was found, and none can be ruled out; more or longer recordings decide"
	else
		echo "no regression"
	fi
	;;
3) echo "regression: see diff.html" ;;
4) echo "undecided: there is too little data to rule out a regression; more or longer recordings decide" ;;
5) echo "the profiles cannot be compared" ;;
*) echo "mayfly failed with exit code $code: this says nothing about the program" ;;
esac
exit $code
