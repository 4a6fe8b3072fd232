//go:build linux

package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// families are the programs that save and restore packet filter rules.
func families() []string {
	if _, err := os.Stat("/proc/net/if_inet6"); err != nil {
		return []string{"iptables"} // no IPv6: the other one only fails
	}
	return []string{"iptables", "ip6tables"}
}

// ours says whether a chain belongs to kube-proxy, the kubelet or a CNI plugin.
// Preflight refuses a machine on which such chains exist before the sandbox does.
func ours(chain string) bool {
	return strings.HasPrefix(chain, "KUBE-") || strings.HasPrefix(chain, "CNI-")
}

// ForeignChains lists chains of the sandbox's kind that exist, by iptables-save.
func ForeignChains(ctx context.Context) ([]string, error) {
	saved, err := save(ctx, "iptables")
	if err != nil {
		return nil, err
	}
	var chains []string
	for line := range strings.Lines(saved) {
		if name, ok := strings.CutPrefix(line, ":"); ok {
			if name, _, _ = strings.Cut(name, " "); ours(name) {
				chains = append(chains, name)
			}
		}
	}
	return chains, nil
}

// cleanFilter removes the chains of the sandbox's kind and the rules that lead to them.
func cleanFilter(ctx context.Context) error {
	var errs []error
	for _, family := range families() {
		saved, err := save(ctx, family)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		script := removal(saved)
		if script == "" {
			continue
		}
		cmd := exec.CommandContext(ctx, family+"-restore", "--noflush", "--wait", "5")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			errs = append(errs, fmt.Errorf("remove packet filter rules with %s-restore: %w: %s", family, err, bytes.TrimSpace(out)))
		}
	}
	return errors.Join(errs...)
}

func save(ctx context.Context, family string) (string, error) {
	out, err := exec.CommandContext(ctx, family+"-save").Output()
	if err != nil {
		return "", fmt.Errorf("list packet filter rules with %s-save: %w", family, err)
	}
	return string(out), nil
}

// removal makes, from the output of iptables-save, the input of
// iptables-restore --noflush that removes our chains and every rule that jumps
// to them, and touches nothing else. It is empty when there is nothing to remove.
func removal(saved string) string {
	var script strings.Builder
	var table string
	var chains, rules []string
	flush := func() {
		if len(chains)+len(rules) == 0 {
			return
		}
		fmt.Fprintf(&script, "*%s\n", table)
		for _, c := range chains {
			fmt.Fprintf(&script, ":%s - [0:0]\n", c) // empties it
		}
		for _, r := range rules {
			fmt.Fprintf(&script, "-D %s\n", r)
		}
		for _, c := range chains {
			fmt.Fprintf(&script, "-X %s\n", c)
		}
		script.WriteString("COMMIT\n")
		chains, rules = nil, nil
	}
	for line := range strings.Lines(saved) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "*"):
			table = line[1:]
		case strings.HasPrefix(line, ":"):
			if name, _, _ := strings.Cut(line[1:], " "); ours(name) {
				chains = append(chains, name)
			}
		case strings.HasPrefix(line, "-A "):
			rule := line[len("-A "):]
			chain, _, _ := strings.Cut(rule, " ")
			if !ours(chain) && jumpsToOurs(rule) {
				rules = append(rules, rule)
			}
		case line == "COMMIT":
			flush()
		}
	}
	return script.String()
}

func jumpsToOurs(rule string) bool {
	f := strings.Fields(rule)
	for _, flag := range []string{"-j", "-g"} {
		if i := slices.Index(f, flag); i >= 0 && i+1 < len(f) && ours(f[i+1]) {
			return true
		}
	}
	return false
}
