# Main commands: `make rehearse` and `make test`. Prerequisites: Python 3.11+ (with venv), git, make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.ready
SPARK := $(VENV)/.spark
DATA ?=
COLUMNS ?=
ITEMS ?=
ENCODING ?=
LIKED ?=
NOUNS ?=
PRESET ?= default
PERSONALIZE ?= fit
ENGINES ?= lists
SECTIONS ?=
IAM_DELAY ?= 0
PROFILE ?=
TIERS ?=
PORT ?= 4566
PAGE ?= 8080
PREFIX ?= recommender
NAME ?=
CODE ?=
AUDIENCE ?=
# What is given reaches the commands as it is: neither make nor the shell expands what is in it.
GIVEN := DATA COLUMNS ITEMS ENCODING LIKED NOUNS PRESET PERSONALIZE ENGINES SECTIONS SETTINGS SOURCE AUDIENCE IAM_DELAY PROFILE TIERS PORT PAGE PREFIX NAME CODE
$(foreach one,$(GIVEN),$(eval override $(one) := $$(value $(one))))
QUOTE := '
quoted = '$(subst $(QUOTE),'\'',$1)'
option = $(if $2,$1 $(call quoted,$2))
# options of `recsys prepare`
PREPARED := $(call option,--data,$(DATA)) $(call option,--columns,$(COLUMNS)) $(call option,--items,$(ITEMS)) $(call option,--encoding,$(ENCODING)) $(call option,--liked,$(LIKED)) $(call option,--nouns,$(NOUNS))
CONTEXT := $(foreach one,$(SETTINGS),-c $(call quoted,$(one)))
PACKAGES := packages/recsys packages/local-aws
# local-aws's tests run in an environment without the project, recsys and Spark; these need one of them
ALONE := .venv-local-aws
NEED_PLUGINS := $(addprefix packages/local-aws/tests/local_aws_tests/,personalize awslambda/test_standins.py emrserverless/test_job_runs.py sagemaker/test_lifetime.py test_credentials.py)

export PATH := $(CURDIR)/$(BIN):$(PATH)
export JSII_NODE := $(CURDIR)/$(BIN)/node
export PYTHONUNBUFFERED := 1
# all test processes need the same test names, some of which contain sets
export PYTHONHASHSEED := 0
# container images set it to keep layers small, but then each command would compile the CDK
unexport PYTHONDONTWRITEBYTECODE

.PHONY: check-code check-supply-chain test-project contract deploy experiment retrain help setup setup-spark rehearse test test-fast test-local-aws data local cost preflight check sbom format lock clean api bench notebooks reliability demo web screenshots strangers

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 22

setup: $(SETUP) ## install everything into .venv and node_modules

$(SETUP): requirements.txt requirements-uv.txt package-lock.json $(PACKAGES:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "» install Python packages"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-uv.txt
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements.txt $(if $(wildcard $(SPARK)),requirements-spark.txt)
	@$(BIN)/uv pip install --quiet --no-deps --offline --python $(BIN)/python $(PACKAGES:%=--editable %)
	@echo "» install the CDK CLI"
	@$(BIN)/python -m rehearsal.node $(BIN)
	@npm ci --silent --no-progress
	@touch $@

setup-spark: $(SPARK) ## install Spark as well, for the jobs of EMR Serverless on the local AWS (400 MB)

$(SPARK): $(SETUP) requirements-spark.txt
	@echo "» install Spark"
	@$(BIN)/uv pip install --quiet --require-hashes --python $(BIN)/python --requirement requirements-spark.txt
	@touch $@

rehearse: $(SETUP) ## deploy, query and destroy on the local AWS [DATA=folder or file, and the rest as for data] [PRESET=default|workshop|taught] [PERSONALIZE=fit|off|custom|domain|both] [ENGINES=lists,deep_mf,factorization_machines] [IAM_DELAY=30]; or lists from a folder that stands for a bucket, by Spark [SOURCE=folder]; or lists whose users are simulated, click, and are learned from [AUDIENCE=60]
	@$(if $(AUDIENCE),python -m rehearsal.loop --users $(call quoted,$(AUDIENCE)),$(if $(SOURCE),python -m rehearsal.source $(call option,--columns,$(COLUMNS)) $(call quoted,$(SOURCE)),python -m rehearsal --preset $(call quoted,$(PRESET)) --personalize $(call quoted,$(PERSONALIZE)) --engines $(call quoted,$(ENGINES)) --iam-delay $(call quoted,$(IAM_DELAY)) -- $(PREPARED)))

demo: $(SETUP) ## rehearse, and serve the page before the removal, until Ctrl-C [PAGE=8080] [ENGINES=lists,deep_mf]
	@python -m rehearsal --preset $(call quoted,$(PRESET)) --engines $(call quoted,$(ENGINES)) --page $(call quoted,$(PAGE)) -- $(PREPARED)

test: test-project test-local-aws ## run all tests
	@python tests/reliability.py --check

test-project: $(SETUP)
	@rm -rf build/tally
	@python -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder tests packages/recsys $(NEED_PLUGINS)

test-local-aws: $(SETUP) ## run local-aws's tests in an environment without the project and recsys
	@uv venv --quiet --clear --python $(BIN)/python $(ALONE)
	@uv pip install --quiet --python $(ALONE)/bin/python --constraints requirements.txt --refresh-package local-aws ./packages/local-aws hypothesis playwright pytest pytest-xdist
	@$(ALONE)/bin/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder --override-ini pythonpath=". packages/local-aws/tests" --ignore packages/local-aws/tests/local_aws_tests/test_credentials.py packages/local-aws

test-fast: $(SETUP) ## run unit tests and a smoke test of the CDK app, in a minute
	@python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not (slow or integration or e2e or browser)"

reliability: $(SETUP) ## count faults, inputs and leftovers into docs/reliability.md
	@rm -rf build/tally
	@python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m tallied --hypothesis-profile=thorough
	@python tests/reliability.py

data: $(SETUP) ## prepare build/data [DATA=folder or file] [COLUMNS=user=…,item=…] [ITEMS=file] [ENCODING=cp1252] [LIKED=7] [NOUNS=item=book,user=reader,event=read]
	@python -m recsys prepare $(PREPARED)

local: $(SETUP) ## serve the local AWS and the page, until Ctrl-C [PORT=4566] [PAGE=8080]
	@exec python -m local_aws --port $(call quoted,$(PORT)) -- python -m web --port $(call quoted,$(PAGE)) --prefix $(call quoted,$(PREFIX))

web: $(SETUP) ## serve the page for the deployment in your AWS account [PAGE=8080] [PREFIX=recommender]
	@exec python -m web --port $(call quoted,$(PAGE)) --prefix $(call quoted,$(PREFIX))

screenshots: $(SETUP) ## update the documentation's screenshots with the page's tests
	@SCREENSHOTS=docs/screenshots python -m pytest -q tests/web/test_page.py tests/web/test_shop.py

api: $(SETUP) ## write the API reference of recsys and local_aws into build/api
	@pdoc --docformat google --output-directory build/api recsys local_aws '!local_aws.awslambda.standins' '!local_aws.awslambda.bootstrap'
	@echo build/api/index.html

bench: $(SETUP) ## measure every engine into docs/benchmarks.md [SECTIONS=timing] [DATA=MovieLens 100k] [QUICK=1]
	@python -m bench $(foreach one,$(SECTIONS),$(call quoted,$(one))) $(call option,--data,$(DATA)) $(if $(QUICK),--quick)

notebooks: $(SETUP) ## run every notebook on the local AWS and render it into build/notebooks [DATA=folder or file]
	@python -m rehearsal.notebooks -- $(PREPARED)

strangers: $(SETUP) ## run somebody's notebooks or scripts, as you, on a fresh local AWS, and report their failed calls [CODE=folder or file]
	@python -m rehearsal.strangers $(call quoted,$(CODE))

cost: $(SETUP) ## estimate what a deployment costs on AWS, by resource [SETTINGS='prefix=anna kms=true']
	@python -m cost $(CONTEXT)

check: check-code check-supply-chain ## run ruff, mypy, import contracts, and checks for vulnerabilities and secrets

check-code: $(SETUP)
	@ruff format --check . && ruff check . && mypy && PYTHONPATH=lambdas lint-imports --no-logo --no-cache

check-supply-chain: $(SETUP)
	@python supply_chain.py

deploy: $(SETUP) ## deploy to the AWS account, if preflight finds nothing missing [SETTINGS='prefix=anna kms=true'] [PREFLIGHT=off]
	@npx cdk bootstrap $(CONTEXT)
	@$(if $(filter off,$(PREFLIGHT)),,python -m preflight $(CONTEXT))
	@npx cdk deploy --all --no-rollback $(CONTEXT)

preflight: $(SETUP) ## check the AWS account for what a deployment needs, changing nothing [SETTINGS='prefix=anna kms=true']
	@python -m preflight $(CONTEXT)

experiment: $(SETUP) ## tell what a deployed experiment has shown [NAME=its name] [PREFIX=recommender]
	@python -m experiment $(call quoted,$(NAME)) --prefix $(call quoted,$(PREFIX))

retrain: $(SETUP) ## let a deployment's lists, or Amazon Personalize, learn from what users did since [NAME=lists|personalize] [PREFIX=recommender]
	@python -m retrain $(if $(NAME),$(call quoted,$(NAME))) --prefix $(call quoted,$(PREFIX))

contract: $(SETUP) ## ask the local AWS, and an account, for what AWS documents, and compare [PROFILE=the account's] [TIERS=cheap,training]
	@python -m tests.contract $(call option,--profile,$(PROFILE)) $(call option,--tiers,$(TIERS))

sbom: $(SETUP) ## write software bills of materials (CycloneDX) into build/sbom
	@mkdir -p build/sbom
	@cyclonedx-py requirements requirements.txt --output-reproducible --of JSON -o build/sbom/python.json
	@npm sbom --silent --package-lock-only --sbom-format=cyclonedx > build/sbom/npm.json
	@echo build/sbom/python.json build/sbom/npm.json

format: $(SETUP) ## format and fix the code with ruff
	@ruff format . && ruff check --fix .

lock: ## compile requirements.txt files from requirements.in files
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' --output-file requirements.txt requirements.in
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' --constraints requirements.txt --output-file requirements-spark.txt requirements-spark.in
	@echo 'uv==0.13.9' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' --output-file requirements-uv.txt -
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' --output-file packages/local-aws/src/local_aws/awslambda/requirements.txt packages/local-aws/src/local_aws/awslambda/requirements.in
	@for each in scripts/*/requirements.in notebooks/instance/requirements.in; do $(BIN)/uv pip compile --quiet --python-version 3.12 --python-platform x86_64-manylinux_2_28 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' --constraints requirements.txt --output-file $${each%.in}.txt $$each; done

clean: ## remove build results (installed packages stay)
	@rm -rf build cdk.out .mypy_cache .ruff_cache .pytest_cache
