package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/azure/acr"
	"github.com/slipway-cd/slipway/internal/azure/aks"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/secret"
	"github.com/slipway-cd/slipway/internal/target"
	"github.com/slipway-cd/slipway/internal/vault"
)

// piped gives a file and what was written to it once it is closed.
func piped(t *testing.T) (*os.File, func() string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return w, func() string {
		w.Close()
		all, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(all)
	}
}

const hushed = "hunter2-hunter2"

func TestAllOutputIsMaskedAndTheAgentIsTold(t *testing.T) {
	out, outSaid := piped(t)
	errs, errSaid := piped(t)
	a := newApp(Program{Out: out, Err: errs, Getenv: func(name string) string { return map[string]string{"TF_BUILD": "True"}[name] }})
	a.learn(secret.New(hushed))
	ctx, c, done := a.stage(t.Context())
	c.Emit(event.Event{Time: time.Now(), Kind: event.Warning, Message: "the password is " + hushed})
	done()
	if ctx.Err() == nil {
		t.Error("the stage is not over")
	}
	fmt.Fprintln(a.Out, "and again", hushed)
	a.output = "json"
	if err := a.printJSON(map[string]string{"password": hushed}); err != nil {
		t.Fatal(err)
	}
	printError(a.Err, errors.New("the server said: "+hushed))
	a.flush()
	if said := outSaid(); strings.Contains(said, hushed) || strings.Count(said, secret.Mask) != 3 {
		t.Errorf("standard output:\n%s", said)
	}
	said := errSaid()
	rest, ok := strings.CutPrefix(said, "##vso[task.setsecret]"+hushed+"\n")
	if !ok || strings.Contains(rest, hushed) || !strings.Contains(rest, secret.Mask) {
		t.Errorf("standard error:\n%s", said)
	}
}

func TestAPanicIsToldMaskedWithItsStack(t *testing.T) {
	out, outSaid := piped(t)
	errs, errSaid := piped(t)
	a := newApp(Program{Out: out, Err: errs, Getenv: func(string) string { return "" }})
	a.learn(secret.New(hushed))
	code := a.run(func() error {
		return a.show(t.Context(), func(context.Context, event.Sink) (*release.Record, error) {
			panic("no route to redis://:" + hushed + "@cache")
		})
	})
	said := errSaid()
	if code != exitInternal || strings.Contains(said+outSaid(), hushed) {
		t.Errorf("exit code %d, said:\n%s", code, said)
	}
	for _, want := range []string{"slipway: internal error: no route to redis://:" + secret.Mask + "@cache", "slipway rollback", "goroutine ", "mask_test.go"} {
		if !strings.Contains(said, want) {
			t.Errorf("does not say %q:\n%s", want, said)
		}
	}
}

func TestASecretIsNotAnnouncedIntoAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	a := newApp(Program{Out: file, Err: file, Getenv: func(name string) string { return map[string]string{"GITHUB_ACTIONS": "true"}[name] }})
	a.learn(secret.New(hushed))
	a.flush()
	if raw, err := os.ReadFile(path); err != nil || len(raw) > 0 {
		t.Errorf("the file holds %q (%v)", raw, err)
	}
}

func TestTroubleWithVaultRegistryAndClusterIsNotAnInternalError(t *testing.T) {
	for _, err := range []error{&vault.ReadError{}, &vault.StoreError{}, &acr.Error{}, &aks.Error{}, &target.VaultError{Err: errors.New("x")}, target.ErrNoVault} {
		if code := ExitCode(fmt.Errorf("releasing: %w", err)); code != exitUsage {
			t.Errorf("%T: exit code %d", err, code)
		}
	}
}
