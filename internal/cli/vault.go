package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/secret"
	"github.com/slipway-cd/slipway/internal/target"
	"github.com/slipway-cd/slipway/internal/vault"
)

func (a *app) vaultCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "vault",
		Short:   "The variables of an environment: their names, what is missing; never a value",
		Example: "  slipway vault list --env prod1\n  slipway vault check --env prod1 --against dev1\n  slipway vault set --env dev1 redis-access < password.txt",
		Args:    known,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.vaultListCommand(), a.vaultCheckCommand(), a.vaultSetCommand())
	return cmd
}

// vaultOf opens the vault of an environment of the slipway.yaml at hand. That others exist is checked before an identity is
// looked for.
func (a *app) vaultOf(env string, others ...string) (target.Vault, *config.Config, config.Environment, error) {
	cfg, _, err := config.Load(a.file, a.Getenv)
	if err != nil {
		return nil, nil, config.Environment{}, err
	}
	e, err := cfg.Environment(env)
	if err != nil {
		return nil, nil, e, err
	}
	for _, other := range others {
		if _, err := cfg.Environment(other); err != nil {
			return nil, nil, e, err
		}
	}
	store, err := target.OpenVault(cfg, env, a.Getenv)
	if errors.Is(err, target.ErrNoVault) {
		err = &usageError{err: fmt.Errorf("environment %s: %w", env, err), next: []string{"add environments." + env + ".vault to slipway.yaml: https://NAME.vault.azure.net"}}
	}
	return store, cfg, e, err
}

func (a *app) vaultListCommand() *cobra.Command {
	var env string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Names, versions and expiry of the variables of an environment's vault",
		Long: `Lists the variables of an environment's vault: name, newest version, when it was set, when it expires. Values are not
read. A variable is pinned in slipway.yaml by its version: ${vault:NAME@VERSION}.`,
		Example: "  slipway vault list --env prod1\n  slipway vault list --env prod1 -o json | jq -r .[].name",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			store, _, _, err := a.vaultOf(env)
			if err != nil {
				return err
			}
			infos, err := store.List(cmd.Context())
			if err != nil {
				return err
			}
			if a.output == "json" {
				if infos == nil {
					infos = []vault.Info{}
				}
				return a.printJSON(infos)
			}
			return a.printVariables(env, infos)
		},
	}
	a.envFlag(cmd, &env)
	a.outputFlag(cmd, "how to print it")
	return cmd
}

func (a *app) printVariables(env string, infos []vault.Info) error {
	fmt.Fprintf(a.Out, "The vault of %s has %s.\n", env, count(len(infos), "variable"))
	if len(infos) == 0 {
		_, err := fmt.Fprintf(a.Out, "next: slipway vault set --env %s NAME sets one\n", env)
		return err
	}
	w := tabwriter.NewWriter(a.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "\nNAME\tVERSION\tSET\tEXPIRES\tNOTE")
	for _, i := range infos {
		expires, note := "-", i.Tags[vault.Tag]
		if !i.Expires.IsZero() {
			expires = i.Expires.UTC().Format(time.DateOnly)
		}
		if !i.Enabled {
			note = "disabled"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", i.Name, i.Version, stamp(i.Updated), expires, note)
	}
	return w.Flush()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// checkView is what `slipway vault check` prints.
type checkView struct {
	vault.Findings
	// OnlyHere and OnlyThere are names that only one of two environments has.
	OnlyHere  []string `json:"onlyHere,omitempty"`
	OnlyThere []string `json:"onlyThere,omitempty"`
}

// checkError says that a release could not read its variables.
type checkError struct {
	env  string
	bad  int
	next []string
}

func (e *checkError) Error() string {
	return fmt.Sprintf("a release into %s could not read %s", e.env, count(e.bad, "variable"))
}
func (e *checkError) Next() []string { return e.next }

func (a *app) vaultCheckCommand() *cobra.Command {
	var env, against string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "What a release would miss in the vault, what nothing uses, and how two environments differ",
		Long: `Compares the variables that slipway.yaml asks for in an environment with those that its vault has: missing, disabled and
expired ones (exit code 2), ones that end within 30 days, and ones that nothing asks for. With --against the names of two
vaults are compared too. Values are not read.`,
		Example: "  slipway vault check --env prod1\n  slipway vault check --env prod1 --against dev1 -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			return a.vaultCheck(cmd.Context(), env, against)
		},
	}
	a.envFlag(cmd, &env)
	cmd.Flags().StringVar(&against, "against", "", "another environment, to compare names with")
	a.outputFlag(cmd, "how to print it")
	return cmd
}

func (a *app) vaultCheck(ctx context.Context, env, against string) error {
	var others []string
	if against != "" {
		others = append(others, against)
	}
	store, cfg, e, err := a.vaultOf(env, others...)
	if err != nil {
		return err
	}
	listed, err := store.List(ctx)
	if err != nil {
		return err
	}
	used := e.SecretRefs()
	for _, r := range cfg.VaultRefs(env) {
		used = append(used, r.Ref)
	}
	v := checkView{Findings: vault.Check(used, listed, time.Now())}
	if against != "" {
		other, _, _, err := a.vaultOf(against)
		if err != nil {
			return err
		}
		there, err := other.List(ctx)
		if err != nil {
			return err
		}
		v.OnlyHere, v.OnlyThere = vault.Compare(listed, there)
	}
	if a.output == "json" {
		if err := a.printJSON(v); err != nil {
			return err
		}
	} else {
		a.printCheck(env, against, v)
	}
	if len(v.Problems) == 0 {
		return nil
	}
	return &checkError{env, len(v.Problems), []string{"slipway vault set --env " + env + " NAME sets one, from standard input"}}
}

func (a *app) printCheck(env, against string, v checkView) {
	if len(v.Problems) == 0 {
		fmt.Fprintf(a.Out, "The vault of %s has every variable that slipway.yaml asks for.\n", env)
	} else {
		fmt.Fprintf(a.Out, "The vault of %s lacks %s that slipway.yaml asks for.\n", env, count(len(v.Problems), "variable"))
	}
	section := func(title string, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(a.Out, "\n%s\n  %s\n", title, strings.Join(lines, "\n  "))
		}
	}
	var problems []string
	for _, p := range v.Problems {
		problems = append(problems, p.Detail)
	}
	section("Cannot be read:", problems)
	section("Will expire:", v.Expiring)
	section("Nothing in slipway.yaml asks for:", v.Unused)
	section("Only in "+env+", not in "+against+":", v.OnlyHere)
	section("Only in "+against+", not in "+env+":", v.OnlyThere)
}

func (a *app) vaultSetCommand() *cobra.Command {
	var env string
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Set a variable of an environment's vault, from standard input",
		Long: `Sets a variable to what comes from standard input; one line end at its end is not part of it. There is no flag for the value,
because arguments can be seen by others and stay in the shell's history. A terminal does not show what is typed.`,
		Example: "  slipway vault set --env dev1 redis-access < password.txt\n  openssl rand -base64 32 | slipway vault set --env dev1 session-key",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			if err := vault.CheckName(args[0]); err != nil {
				return &usageError{err: err}
			}
			store, _, _, err := a.vaultOf(env)
			if err != nil {
				return err
			}
			value, err := a.readSecret(args[0])
			if err != nil {
				return err
			}
			ref, err := store.Set(cmd.Context(), args[0], value)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.printJSON(ref)
			}
			_, err = fmt.Fprintf(a.Out, "Set %s in the vault of %s, version %s.\nnext: the next release reads it\n", ref.Name, env, ref.Version)
			return err
		},
	}
	a.envFlag(cmd, &env)
	a.outputFlag(cmd, "how to print it")
	return cmd
}

// readSecret reads a value from standard input; a terminal does not echo it.
func (a *app) readSecret(name string) (secret.Secret, error) {
	var raw []byte
	var err error
	if file, ok := a.In.(*os.File); ok && term.IsTerminal(file.Fd()) {
		fmt.Fprintf(a.Err, "Value of %s (not shown): ", name)
		a.flush()
		raw, err = term.ReadPassword(file.Fd())
		fmt.Fprintln(a.Err)
	} else {
		raw, err = io.ReadAll(io.LimitReader(a.In, vault.MaxValue+3))
	}
	if err != nil {
		return secret.Secret{}, fmt.Errorf("reading the value from standard input: %w", err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	value := secret.New(text)
	a.masker.Add(value)
	switch {
	case text == "":
		return value, &usageError{err: fmt.Errorf("no value for %s came from standard input; nothing was set", name)}
	case len(text) > vault.MaxValue:
		return value, &usageError{err: fmt.Errorf("the value for %s has more than %d bytes, which Key Vault does not take; nothing was set", name, vault.MaxValue),
			next: []string{"keep files elsewhere, and only their key in the vault"}}
	}
	return value, nil
}
