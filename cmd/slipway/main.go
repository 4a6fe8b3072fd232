// Slipway builds, gates and releases services on Kubernetes and takes a bad release back by itself.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/slipway-cd/slipway/internal/cli"
)

// version and commit are set by the linker.
var (
	version = "dev"
	commit  = ""
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // a reader that goes away must not end a release
	file, err := os.Executable()
	if err != nil {
		file = "" // a release without a guardian says so
	}
	os.Exit(cli.Main(context.Background(), cli.Program{
		Version: version, Commit: commit,
		Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, File: file,
	}))
}
