# Bare `make` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
MODULES := . sandbox sandbox/cluster sandbox/gateway apps/calculator bench
DIST    := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
export CGO_ENABLED = 0
# One way of compiling for building, vetting and testing, so that what is compiled is compiled once.
export GOFLAGS = -trimpath -buildvcs=false

.PHONY: help setup build sandbox demo test test-faults check unit e2e bench bench-gates dist clean tools

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1|\2/' | column -t -s'|'

demo: setup build sandbox bin/loadgen ## see it all: a cluster, a service, a good release, a bad one taken back
	@demo/run

test: setup check unit e2e ## everything: format and static checks, unit tests, end to end on the sandbox

setup: ## install what the sandbox needs (Debian, as root), or say what is missing
	@scripts/setup

build: setup ## build bin/slipway
	@scripts/build slipway . ./cmd/slipway "$(LDFLAGS)"

sandbox: setup ## build the sandbox's programs (a cold build takes minutes)
	@go generate -C sandbox ./internal/kube
	@scripts/build slipway-pause sandbox/cluster ./cmd/pause
	@scripts/build slipway-sandbox sandbox ./cmd/slipway-sandbox
	@scripts/build slipway-cluster sandbox/cluster ./cmd/slipway-cluster "-s -w -X k8s.io/component-base/version.gitVersion=v1.34.4 -X k8s.io/client-go/pkg/version.gitVersion=v1.34.4"
	@scripts/build slipway-gateway sandbox/gateway ./cmd/slipway-gateway

bin/loadgen: setup
	@scripts/build loadgen apps/calculator ./loadgen

tools: setup ## build the tools of tests and checks: staticcheck, the Helm 3 and Helm 4 command lines
	@scripts/build staticcheck tools/staticcheck honnef.co/go/tools/cmd/staticcheck
	@scripts/build helm3 tools/helm3 helm.sh/helm/v3/cmd/helm
	@scripts/build helm4 tools/helm4 helm.sh/helm/v4/cmd/helm

check: setup ## format and static checks
	@scripts/build staticcheck tools/staticcheck honnef.co/go/tools/cmd/staticcheck
	@scripts/check $(MODULES)

unit: setup ## unit tests, with the race detector
	@scripts/unit $(MODULES)

e2e: setup ## end-to-end tests on the sandbox (Linux, root)
	@scripts/e2e

test-faults: setup build sandbox tools ## kill a release before and after each of its effects, for every strategy and router (about three quarters of an hour)
	@SLIPWAY_FAULTS=all go test -tags e2e -count=1 -parallel 4 -timeout 85m -v -run TestARunnerKilledAtAnyEffect ./e2e

bench: setup build sandbox tools bin/loadgen ## measure releases on the sandbox, against helm upgrade --wait
	@scripts/bench

bench-gates: setup ## simulate releases, compare judges on them, and write docs/gating.md (minutes)
	@go run -C bench ./gates -docs $(CURDIR)/docs >/dev/null

dist: ## cross-compile slipway into dist/
	@for p in $(DIST); do \
		os=$${p%/*} arch=$${p#*/} ext=; [ $$os = windows ] && ext=.exe; \
		echo "dist/slipway-$$os-$$arch$$ext"; \
		GOOS=$$os GOARCH=$$arch go build -trimpath -buildvcs=false -ldflags "$(LDFLAGS)" -o dist/slipway-$$os-$$arch$$ext ./cmd/slipway; \
	done

clean: ## remove what was built (the sandbox's data stay: slipway sandbox down)
	rm -rf bin dist
