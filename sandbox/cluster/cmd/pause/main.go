// Command pause is the process of a pod's infrastructure container. Built with
// CGO_ENABLED=0 it needs nothing from the image it runs in.
package main

import (
	"os"

	"github.com/slipway-cd/slipway/sandbox/cluster/internal/reaper"
)

func main() { os.Exit(reaper.Run()) }
