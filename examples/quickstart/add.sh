#!/bin/sh
# The request comes on stdin, the answer goes to stdout, both as JSON: [20,22] gives 42.
exec awk -F'[][,]' '{ for (i = 2; i < NF; i++) sum += $i; print sum + 0 }'
