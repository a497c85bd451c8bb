#!/bin/sh
# Runs a test program from a folder beside which the examples of its own build are, where tests look for them:
# run_beside.sh FOLDER PROGRAM ARGUMENT...
set -eu
place=$1/$(basename "$2")
[ "$place" -ef "$2" ] || ln -f "$2" "$place"
shift 2
exec "$place" "$@"
