//go:build !windows

// Package harness runs the whole program for the tests in the neighbouring packages, and sends requests to it over HTTP.
package harness

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"shopping-cart/internal/cli"
	"shopping-cart/internal/pgtest"
)

// AsProgram is an environment variable that turns a test binary into the program.
const AsProgram = "SHOPPING_CART_TEST_AS_PROGRAM"

// Module is the path of the module.
const Module = "shopping-cart"

// Main runs the tests of a package in the root of the module. TestMain of each package calls it.
func Main(m *testing.M) {
	if os.Getenv(AsProgram) != "" {
		os.Exit(cli.Main(os.Args[1:]))
	}
	flag.Parse()
	// The tests mostly wait for each other and for deadlines, not for a processor.
	preset("test.parallel", strconv.Itoa(runtime.GOMAXPROCS(0)), "4")
	// Each check is hundreds of requests.
	preset("rapid.checks", "100", "8")
	// "go test" must not use its cache: it does not know the files that the program reads.
	_ = flag.Set("test.testlogfile", "")
	enterModule()
	pgtest.Main(m)
}

// preset changes a flag that has its default value. Some packages lack some flags.
func preset(name, from, to string) {
	if f := flag.Lookup(name); f != nil && f.Value.String() == from {
		_ = f.Value.Set(to)
	}
}

// enterModule changes the working directory to the root of the module. The supervisor of pgtest starts outside of it and stays there.
func enterModule() {
	if program, err := os.Executable(); err == nil {
		os.Args[0] = program
	}
	dir, err := os.Getwd()
	for ; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			_ = os.Chdir(dir)
			return
		}
	}
}
