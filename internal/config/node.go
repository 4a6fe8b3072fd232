package config

import (
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// maxNodes bounds how many nodes are decoded, so that aliases of aliases cannot unfold without end.
const maxNodes = 100_000

type anchorCollector map[string]ast.Node

// Visit remembers each anchor by its name.
func (a anchorCollector) Visit(n ast.Node) ast.Visitor {
	if anchor, ok := n.(*ast.AnchorNode); ok && anchor.Name != nil {
		a[anchor.Name.String()] = anchor.Value
	}
	return a
}

// resolve follows anchors, tags and aliases to the node that holds the value; nil after a recorded problem.
func (d *document) resolve(n ast.Node, path string) ast.Node {
	for range 20 {
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.TagNode:
			n = v.Value
		case *ast.MappingKeyNode:
			n = v.Value
		case *ast.AliasNode:
			target, ok := d.anchors[v.Value.String()]
			if !ok {
				d.problem(nodePosition(v), path, "*%s refers to an anchor that does not exist; an anchor is written &%s", v.Value.String(), v.Value.String())
				return nil
			}
			n = target
		case *ast.MappingValueNode:
			return &ast.MappingNode{BaseNode: &ast.BaseNode{}, Start: v.Start, Values: []*ast.MappingValueNode{v}}
		default:
			return n
		}
	}
	d.problem(nodePosition(n), path, "aliases that refer to one another")
	return nil
}

// spend counts one node; false means that the file unfolds too far (recorded once).
func (d *document) spend(n ast.Node, path string) bool {
	d.visited++
	deep := strings.Count(path, ".")+strings.Count(path, "[") > maxDepth
	switch {
	case d.visited > maxNodes && !d.unfolded:
		d.unfolded = true
		d.problem(nodePosition(n), "", "aliases make this file unfold to more than %d values", maxNodes)
	case deep && !d.unfolded:
		d.unfolded = true
		d.problem(nodePosition(n), "", "values lie more than %d deep inside one another; does an alias contain itself?", maxDepth)
	}
	return d.visited <= maxNodes && !deep
}

// nodePosition is where a person would say that the value stands.
func nodePosition(n ast.Node) position {
	if n == nil || reflect.ValueOf(n).IsNil() {
		return position{}
	}
	switch v := n.(type) {
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return nodePosition(v.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return nodePosition(v.Key)
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return position{t.Position.Line, t.Position.Column}
	}
	return position{}
}

// entry is one key of a mapping with its value.
type entry struct {
	key    string
	at     position
	value  ast.Node
	merged bool // it came in through a merge key, so that an own key of the mapping wins
}

// entries are the keys of a mapping in file order, merge keys (<<) unfolded, duplicates recorded as problems.
func (d *document) entries(m *ast.MappingNode, path string) []entry {
	var own, merged []entry
	seen := map[string]position{}
	for _, v := range m.Values {
		if !d.spend(v, path) {
			break
		}
		at := nodePosition(v.Key)
		if v.Key.IsMergeKey() {
			merged = append(merged, d.mergeEntries(v.Value, path)...)
			continue
		}
		key, ok := keyText(d.resolve(v.Key, path))
		if !ok {
			d.problem(at, path, "a key of %s must be a plain word", d.where(path))
			continue
		}
		if first, twice := seen[key]; twice {
			d.problem(at, join(path, key), "%q is in %s twice; the first one is at line %d", key, d.where(path), first.line)
			continue
		}
		seen[key] = at
		own = append(own, entry{key: key, at: at, value: v.Value})
	}
	for _, e := range merged {
		if _, twice := seen[e.key]; !twice {
			seen[e.key] = e.at
			own = append(own, e)
		}
	}
	return own
}

func (d *document) mergeEntries(n ast.Node, path string) []entry {
	switch v := d.resolve(n, path).(type) {
	case *ast.MappingNode:
		entries := d.entries(v, path)
		for i := range entries {
			entries[i].merged = true
		}
		return entries
	case *ast.SequenceNode:
		var all []entry
		for _, item := range v.Values {
			if _, ok := d.resolve(item, path).(*ast.MappingNode); ok && d.spend(item, path) {
				all = append(all, d.mergeEntries(item, path)...)
			}
		}
		return all
	case nil:
		return nil
	default:
		d.problem(nodePosition(n), path, "<< merges mappings, but this is %s", d.describe(n))
		return nil
	}
}

func keyText(n ast.Node) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.IntegerNode, *ast.BoolNode, *ast.FloatNode, *ast.NullNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// describe names what a node is, in plain words.
func (d *document) describe(n ast.Node) string {
	switch v := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "the number " + n.GetToken().Value
	case *ast.BoolNode:
		return "the truth value " + v.GetToken().Value
	case *ast.StringNode:
		return fmt.Sprintf("the text %q", shorten(v.Value))
	case *ast.NullNode:
		return "empty"
	}
	return "something else"
}

// integer is the value as int64, or as uint64 where it does not fit.
func integer(n *ast.IntegerNode) any {
	switch v := n.Value.(type) {
	case uint64:
		if v <= math.MaxInt64 {
			return int64(v)
		}
		return v
	case int64:
		return v
	}
	return n.Value
}
