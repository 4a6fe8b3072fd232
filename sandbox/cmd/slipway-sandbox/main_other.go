//go:build !linux

// Command slipway-sandbox runs a Kubernetes cluster on one Linux machine.
package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Fprintf(os.Stderr, "slipway sandbox: the sandbox needs Linux and this is %s: run it in a virtual machine, or use a cluster that you have.\n", runtime.GOOS)
	os.Exit(2)
}
