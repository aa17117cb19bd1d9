# Every target is one call of the tools package, which needs nothing but Python.
# `make help` lists them; ARGS passes options through: make test TIER=addons ARGS="-k usage"

PYTHON ?= python3
TOOLS = "$(PYTHON)" -m tools

.DEFAULT_GOAL := help
.PHONY: help demo stop clean logs shell test lint format bench pot screenshots

help:
	@$(TOOLS) help

demo:
	@$(TOOLS) demo

stop:
	@$(TOOLS) stop

clean:
	@$(TOOLS) clean

logs:
	@$(TOOLS) logs

shell:
	@$(TOOLS) shell

test:
	@$(TOOLS) test $(foreach tier,$(TIER),--tier $(tier)) -- $(ARGS)

lint:
	@$(TOOLS) lint

format:
	@$(TOOLS) format

bench:
	@$(TOOLS) bench -- $(ARGS)

pot:
	@$(TOOLS) pot

screenshots:
	@$(TOOLS) screenshots
