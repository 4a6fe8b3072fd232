//go:build linux

package host

import (
	"fmt"
	"slices"

	"github.com/google/nftables"
)

// iptablesTables are the tables that iptables makes in nftables, and leaves
// there empty when their rules are gone.
var iptablesTables = []string{"filter", "nat", "mangle", "raw"}

func tableName(t *nftables.Table) string { return fmt.Sprintf("%d/%s", t.Family, t.Name) }

// nftTables lists the nftables tables that exist; none where the kernel has no nftables.
func nftTables() []string {
	c, err := nftables.New()
	if err != nil {
		return nil
	}
	tables, err := c.ListTables()
	if err != nil {
		return nil // iptables works in its old way there, whose tables never go
	}
	var names []string
	for _, t := range tables {
		names = append(names, tableName(t))
	}
	return names
}

// removeEmptyTables removes the tables that iptables made for the sandbox, if
// nobody has put a rule or a chain of their own into them.
func removeEmptyTables(before []string) error {
	c, err := nftables.New()
	if err != nil {
		return nil // as in nftTables
	}
	tables, err := c.ListTables()
	if err != nil {
		return nil
	}
	for _, t := range tables {
		ip := t.Family == nftables.TableFamilyIPv4 || t.Family == nftables.TableFamilyIPv6
		if !ip || !slices.Contains(iptablesTables, t.Name) || slices.Contains(before, tableName(t)) {
			continue
		}
		chains, err := c.ListChainsOfTableFamily(t.Family)
		if err != nil {
			return fmt.Errorf("list the chains of table %s: %w", t.Name, err)
		}
		empty := true
		for _, chain := range chains {
			if chain.Table.Name != t.Name {
				continue
			}
			rules, err := c.GetRules(t, chain)
			if err != nil {
				return fmt.Errorf("list the rules of chain %s: %w", chain.Name, err)
			}
			accepts := chain.Policy == nil || *chain.Policy == nftables.ChainPolicyAccept
			empty = empty && chain.Hooknum != nil && accepts && len(rules) == 0
		}
		if empty {
			c.DelTable(t)
		}
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("remove empty packet filter tables: %w", err)
	}
	return nil
}
