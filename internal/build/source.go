package build

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/internal/bundle"
)

// readSource says which commit the directory is at and what differs from it. Without git, or without a commit, the
// source is empty and the warning says why. Git is run as a program, because only it understands every repository
// (worktrees, sparse checkouts, filters) as the user's git does.
func readSource(ctx context.Context, dir string) (source bundle.Source, warning string, err error) {
	if _, err := exec.LookPath("git"); err != nil {
		return source, "git is not installed, so the bundle cannot record the commit", nil
	}
	top, err := git(ctx, dir, "rev-parse", "--show-toplevel")
	if err != nil {
		return source, fmt.Sprintf("%s is in no git repository that git can read, so the bundle cannot record the commit (%v)", dir, err), ctx.Err()
	}
	out, err := git(ctx, dir, "show", "-s", "--format=%H %ct", "HEAD", "--")
	if err != nil {
		return source, "the git repository has no commit yet, so the bundle cannot record one", ctx.Err()
	}
	var seconds int64
	if _, err := fmt.Sscanf(out, "%s %d", &source.Commit, &seconds); err != nil {
		return source, "", fmt.Errorf("reading the commit from git's answer %q: %w", out, err)
	}
	source.Time = time.Unix(seconds, 0).UTC()

	// One record a path, in git's order; no rename detection, because the content below says it all.
	status, err := gitRaw(ctx, top, "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all")
	if err != nil {
		return source, "", fmt.Errorf("asking git for uncommitted changes: %w", err)
	}
	changes := strings.Split(strings.TrimSuffix(string(status), "\x00"), "\x00")
	if len(status) == 0 {
		return source, "", nil
	}
	hash := sha256.New()
	for _, change := range changes {
		if len(change) < 4 {
			return source, "", fmt.Errorf("git status printed %q, which is no change", change)
		}
		if err := hashPath(hash, top, change[3:]); err != nil {
			return source, "", fmt.Errorf("hashing the uncommitted change %s: %w", change[3:], err)
		}
	}
	source.Dirty = true
	source.Content = "sha256:" + hex.EncodeToString(hash.Sum(nil))
	return source, fmt.Sprintf("%s in the git repository (%s); the bundle is marked dirty",
		plural(len(changes), "uncommitted change", "uncommitted changes"), some(changes)), nil
}

// some names the first few changes.
func some(changes []string) string {
	const most = 3
	var names []string
	for _, c := range changes[:min(len(changes), most)] {
		names = append(names, c[3:])
	}
	if len(changes) > most {
		names = append(names, "…")
	}
	return strings.Join(names, ", ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := gitRaw(ctx, dir, args...)
	return strings.TrimSpace(string(out)), err
}

func gitRaw(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	// A build must not write to the repository, not even its index, and must not wait for a password.
	cmd.Env = append(os.Environ(), "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if message := strings.TrimSpace(stderr.String()); message != "" {
			return nil, errors.New(strings.TrimPrefix(message, "fatal: "))
		}
		return nil, fmt.Errorf("git %s: %w", args[0], err)
	}
	return out, nil
}

// hashPath adds a path and what is there now: a file's content and whether it can be run, a link's target, or
// that there is nothing (deleted), or something that has no content (a submodule).
func hashPath(w io.Writer, top, path string) error {
	full := filepath.Join(top, filepath.FromSlash(path))
	info, err := os.Lstat(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(w, "%q gone\n", path)
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(full)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%q link %q\n", path, target)
		return nil
	case !info.Mode().IsRegular():
		fmt.Fprintf(w, "%q other\n", path)
		return nil
	}
	file, err := os.Open(full)
	if err != nil {
		return err
	}
	defer file.Close()
	content := sha256.New()
	if _, err := io.Copy(content, file); err != nil {
		return err
	}
	fmt.Fprintf(w, "%q file %t %x\n", path, info.Mode()&0o111 != 0, content.Sum(nil))
	return nil
}

// hashTree adds all that is in a directory.
func hashTree(w io.Writer, dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return hashPath(w, dir, filepath.ToSlash(rel))
	})
}
