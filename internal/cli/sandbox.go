package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
)

// sandboxProgram is a program of its own, because the Kubernetes it starts needs libraries of its own version.
const sandboxProgram = "slipway-sandbox"

func (a *app) sandboxCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "sandbox {up | status | down | kubectl}",
		Short: "A real Kubernetes, registry, gateway and Redis on this Linux machine",
		Long: `Start, look at and remove a real Kubernetes with a registry, a gateway (Gateway API and ingress-nginx annotations) and a
Redis on this machine. Linux and root only. Everything after "sandbox" is handed to the program slipway-sandbox, which is
looked for beside slipway and in PATH.`,
		Example:            "  slipway sandbox up\n  slipway sandbox status -o json\n  slipway sandbox kubectl -- get pods -A\n  slipway sandbox down",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := findSandbox()
			if err != nil {
				return &usageError{err: err, next: []string{"in a checkout of Slipway: make sandbox"}}
			}
			child := exec.CommandContext(cmd.Context(), path, args...)
			child.Stdin, child.Stdout, child.Stderr = os.Stdin, a.Program.Out, a.Program.Err // it is a program of its own, with its own terminal
			err = child.Run()
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return &childExit{code: exit.ExitCode()}
			}
			if err != nil {
				return fmt.Errorf("running %s: %w", path, err)
			}
			return nil
		},
	}
}

// childExit is the exit code of a program that has said itself what was wrong.
type childExit struct{ code int }

func (e *childExit) Error() string {
	return fmt.Sprintf("%s ended with exit code %d", sandboxProgram, e.code)
}

func findSandbox() (string, error) {
	if self, err := os.Executable(); err == nil {
		if self, err = filepath.EvalSymlinks(self); err == nil {
			beside := filepath.Join(filepath.Dir(self), sandboxProgram)
			if _, err := os.Stat(beside); err == nil {
				return beside, nil
			}
		}
	}
	path, err := exec.LookPath(sandboxProgram)
	if err != nil {
		return "", fmt.Errorf("the program %s is neither beside slipway nor in PATH", sandboxProgram)
	}
	return path, nil
}
