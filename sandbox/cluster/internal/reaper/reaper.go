// Package reaper is what a pod's infrastructure container runs: it holds the
// pod's namespaces open and, as process 1 of a shared process namespace, reaps
// the children that others left behind. It imports as little as possible, since
// every pod holds a copy of it in memory.
package reaper

import (
	"os"
	"os/signal"
	"syscall"
)

// Run waits until SIGTERM or SIGINT and returns 0. Until then it reaps each
// child that ends, including those adopted from other processes.
func Run() int {
	// Signals that come while a buffer is full are merged into the one in it.
	// That is enough: one reap collects all children that have ended by then.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	child := make(chan os.Signal, 1)
	signal.Notify(child, syscall.SIGCHLD)
	wait(stop, child, reap)
	return 0
}

// wait calls reap at once, for the children that ended before signals were
// watched, and then after each signal from child, until one comes from stop.
func wait(stop, child <-chan os.Signal, reap func()) {
	for {
		reap()
		select {
		case <-stop:
			return
		case <-child:
		}
	}
}

// reap collects every child that has ended, without waiting for any.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return // no children, or none that has ended
		}
	}
}
