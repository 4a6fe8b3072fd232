package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  slipway version\n  slipway version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			if a.output == "json" {
				return a.printJSON(map[string]string{"version": a.Version, "commit": a.Commit, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
			}
			line := "slipway " + a.Version
			if a.Commit != "" {
				line += " (" + a.Commit + ")"
			}
			_, err := fmt.Fprintf(a.Out, "%s %s %s/%s\n", line, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
	a.outputFlag(cmd, "how to print it")
	return cmd
}
