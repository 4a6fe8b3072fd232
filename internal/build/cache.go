package build

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// koCacheVariable is how ko is told where its cache is; its library has no other way. The cache keeps binaries, so
// that an unchanged one is neither linked nor compressed again.
const koCacheVariable = "KOCACHE"

// openCache makes ko's cache ready and locks the parts of it that these images use, until the returned function is
// called: a binary there is read until its layer has been pushed, and another build must not change it meanwhile.
func (r *run) openCache(ctx context.Context, images []goImage) (release func(), err error) {
	dir := os.Getenv(koCacheVariable)
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("finding the user's cache directory: %w", err)
		}
		dir = filepath.Join(user, "slipway", "ko")
		if err := os.Setenv(koCacheVariable, dir); err != nil {
			return nil, fmt.Errorf("telling ko where its cache is: %w", err)
		}
	}
	locks := filepath.Join(dir, "locks")
	if err := os.MkdirAll(locks, 0o700); err != nil {
		return nil, fmt.Errorf("making the build cache: %w", err)
	}
	var paths []string
	for _, g := range images {
		paths = append(paths, g.importPath)
	}
	// One order for everyone, or two builds could each wait for the other.
	slices.Sort(paths)
	var held []func()
	release = func() {
		for _, unlock := range held {
			unlock()
		}
		held = nil
	}
	for _, importPath := range slices.Compact(paths) {
		file := filepath.Join(locks, fmt.Sprintf("%x", sha256.Sum256([]byte(importPath)))[:32])
		unlock, err := r.lock(ctx, file, importPath)
		if err != nil {
			release()
			return nil, fmt.Errorf("locking the build cache of %s: %w", importPath, err)
		}
		held = append(held, unlock)
	}
	return release, nil
}

// lock waits for a file lock, and says so when it is not had at once. The lock ends with the process.
func (r *run) lock(ctx context.Context, file, importPath string) (func(), error) {
	type answer struct {
		unlock func()
		err    error
	}
	got := make(chan answer, 1)
	go func() {
		unlock, err := lockedfile.MutexAt(file).Lock()
		got <- answer{unlock, err}
	}()
	notice := time.NewTimer(time.Second)
	defer notice.Stop()
	for {
		select {
		case a := <-got:
			return a.unlock, a.err
		case <-notice.C:
			r.events.progress("build:plan", "waiting for another build of %s on this machine", importPath)
		case <-ctx.Done():
			// The lock may still come; it must not be kept then.
			go func() {
				if a := <-got; a.err == nil {
					a.unlock()
				}
			}()
			return nil, ctx.Err()
		}
	}
}
