# make lists the targets. ARGS goes to the command: make chaos ARGS='--minutes 10'
.DEFAULT_GOAL := help
.PHONY: help test test-short race lint generate bench chaos run dist

export GOTOOLCHAIN := $(shell sed -n 's/^toolchain //p' go.mod)+auto

TOOLS ?= .ci/bin
PLATFORMS := linux/amd64 linux/arm64 darwin/arm64 windows/amd64

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1 \2/p' Makefile | while read -r name text; do printf '%-11s %s\n' "$$name" "$$text"; done

test: ## run all tests
	go test ./...

test-short: ## run the quick tests
	go test -short ./...

race: ## run all tests with the race detector
	go test -race -p 1 -timeout 30m ./...

# staticcheck.conf lists its checks. The other two refuse a switch that omits a case, even with a default. A test may omit cases.
# .ci/tools/go.mod holds the versions.
lint: ## run the linters
	go -C .ci/tools build -o $(abspath $(TOOLS))/ tool
	$(TOOLS)/staticcheck ./...
	GOOS=windows CGO_ENABLED=0 $(TOOLS)/staticcheck -tests=false ./...
	$(TOOLS)/staticcheck -tags failpoints ./platform/failpoint
	$(TOOLS)/go-check-sumtype -default-signifies-exhaustive=false ./...
	$(TOOLS)/exhaustive -test=false ./...

generate: ## write the API document and the reference
	go generate ./docs

bench: ## measure the program beside pgbench
	go run . bench $(ARGS)

chaos: ## run three replicas under faults and check every promise
	go run . chaos $(ARGS)

run: ## start the program
	go run .

# The same commit and toolchain give the same bytes. Each SBOM lists the modules that its program holds; .ci/sbom/go.mod holds the version
# of the tool.
dist: ## build release binaries, their SBOMs and checksums into dist
	go -C .ci/sbom build -o $(abspath $(TOOLS))/ tool
	@set -e; rm -rf dist; for p in $(PLATFORMS); do \
		os=$${p%/*} arch=$${p#*/} suffix=; [ $$os = windows ] && suffix=.exe; \
		out=dist/shopping-cart-$$os-$$arch$$suffix; echo "$$out"; \
		GOOS=$$os GOARCH=$$arch CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "$$out" .; \
		$(TOOLS)/cyclonedx-gomod bin -json -std -noserial -notimestamp -output "$$out.cdx.json" "$$out"; \
	done
	@cd dist && if command -v sha256sum >/dev/null; then sha256sum shopping-cart-*; else shasum -a 256 shopping-cart-*; fi >SHA256SUMS
