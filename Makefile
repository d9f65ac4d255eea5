# Thin on purpose: what a target does stands in the script of its name. ARGS go to the command behind it.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check slow bench bench-peers lock

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 20

setup:  ## make .venv from the locks, with the tools for development
	@scripts/setup dev

demo:  ## set up, start the service with data in it, print the addresses, serve until Ctrl-C
	@scripts/setup runtime
	@exec .venv/bin/aspectstore demo $(ARGS)

test: setup  ## run every test
	@scripts/test $(ARGS)

check: setup  ## style, types, import contracts, tidy rules
	@scripts/check

slow: setup  ## run the suites that take minutes
	@scripts/slow $(ARGS)

bench: setup  ## measure this service and every peer that is there, write the tables
	@scripts/bench $(ARGS)

bench-peers: setup  ## fetch the peers that `make bench` compares with
	@scripts/bench-peers

lock: setup  ## compile the lock files anew
	@scripts/lock $(ARGS)
